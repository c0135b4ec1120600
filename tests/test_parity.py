import shutil

import numpy as np
import pytest

from deepbayes.legacy_port import parity, parity_command
from deepbayes.legacy_port.checkpoints import to_2019, to_classifier
from deepbayes.legacy_port.golden import Golden
from deepbayes.legacy_port.letters import LETTERS
from helpers import GOLDEN, tiny

FILES = sorted(GOLDEN.glob("*.npz"))


def test_golden_files_of_every_kind_are_here():
    names = {f.stem for f in FILES}
    sevens = {f"{d}_{c}" for d in ("mnist", "plane_frog") for c in LETTERS.values()}
    assert names >= sevens | {"fusion_DBX", "fusion_GBY", "fusion_GBZ", "plane_frog_order", "trained_mnist_GBZ"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_quantity_is_2019s(file):
    rows = list(parity.check(file))
    assert rows
    assert not [str(r) for r in rows if not r.ok]


def changed(tmp_path, key, change):
    """A golden file with one array changed, and of what is compared only that (of training: all)."""
    file = tmp_path / "mnist_GBZ.npz"
    g = Golden(GOLDEN / file.name)
    kept = {key} | ({k for k in g.outputs if k.startswith("train")} if key.startswith("train") else set())
    with np.load(GOLDEN / file.name) as golden:
        arrays = {name: golden[name] for name in golden.files if name not in g.outputs or name in kept}
        arrays[key] = change(arrays.get(key))
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("logits_kK", lambda a: a * 1.001),
        ("grad_ce", lambda a: a * 1.01),
        ("fgsm_eps0.20", lambda a: np.clip(a + 0.01, 0, 1)),
        ("pgd_eps0.10_it10_noinit", lambda a: np.clip(a + 0.01, 0, 1)),
        ("pgd_eps0.10_it10_noinit", lambda a: np.full_like(a, np.nan)),
        ("mim_eps0.10_it10", lambda a: np.clip(a + 0.01, 0, 1)),
        ("cw_c1.00_it100", lambda a: np.clip(a + 0.001, 0, 1)),
        ("superwhite_kl_snapshot", lambda a: np.clip(a + 0.01, 0, 1)),
        ("trained/gen_l0_W:0", lambda a: a + 1e-4),
        ("bound_kK_is_bernoulli", lambda a: a - 1.0),
        ("a_new_quantity", lambda a: np.zeros(3)),
    ],
)
def test_a_quantity_that_is_out_is_found(tmp_path, capsys, key, change):
    assert parity_command.main([str(changed(tmp_path, key, change)), "--quiet"]) == 1
    output = capsys.readouterr().out
    assert f"  {key} " in output
    assert "OUT" in output


def test_files_that_cannot_be_read_exit_with_2(tmp_path, capsys):
    file = tmp_path / "mnist_GFZ.npz"
    shutil.copy(GOLDEN / file.name, file)
    file.write_bytes(file.read_bytes()[:5000])
    assert parity_command.main([str(file)]) == 2
    assert parity_command.main([str(tmp_path / "none.npz")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", LETTERS.values())
@pytest.mark.parametrize("dataset", ["mnist", "plane_frog"])
def test_2019_checkpoints_go_in_and_out_exactly(name, dataset):
    weights = Golden(GOLDEN / f"{dataset}_{name}.npz").folder("weights")
    classifier = to_classifier(weights, dataset)
    assert classifier.factorisation.name == name
    back = to_2019(classifier)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[n], weights[n]) for n in weights)


def test_missing_extra_and_misshapen_variables_are_all_listed():
    weights = Golden(GOLDEN / "mnist_GFZ.npz").folder("weights")
    weights["gen_l0_b:0"] = weights["gen_l0_b:0"][:-1]
    weights["stranger:0"] = np.zeros(2)
    del weights["gen_l3_W:0"]
    with pytest.raises(ValueError, match="closest is GFZ") as error:
        to_classifier(weights, "mnist")
    for part in ("missing gen_l3_W:0", "extra stranger:0", "gen_l0_b:0 has shape (23,), not (24,)"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match="image classifiers of 2019 are for mnist and plane_frog, not 'svhn'"):
        to_classifier(weights, "svhn")
    with pytest.raises(ValueError, match="not a 2019 checkpoint"):
        to_classifier({"w": np.zeros(3)}, "mnist")


def test_a_name_that_the_variables_contradict_is_refused():
    weights = to_2019(tiny("GFZ"))
    with pytest.raises(ValueError, match="fit no classifier; closest is GBZ"):
        to_classifier(Golden(GOLDEN / "mnist_GFZ.npz").folder("weights"), "mnist", "GBZ")
    assert "gen_pzy_l0_W:0" in weights
