"""Attacks in parts: ranges of images made in any order, by any number of processes, give the bytes of one process."""

import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbayes.attacks.target import Target
from deepbayes.experiments.measurements.context import open_context
from deepbayes.experiments.measurements.craft import Crafting, build_craft, find_ranges, remove_partial
from deepbayes.experiments.runs.attack import AttackRun
from deepbayes.experiments.settings.attack_plan import make_plan
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.files import read_arrays, write_arrays
from helpers import load, results, tiny_classifier

N, BATCH, VALUE = 11, 3, 0.2
IMAGES = load("test", None).spread(N)
PLANS = {"noise": {}, "pgd": {"steps": 3}}


class Counted:
    """An attack that remembers the positions of the images it was given."""

    def __init__(self, craft):
        self.craft, self.positions = craft, []

    def __call__(self, x, y, index, *rest):
        self.positions += index.tolist()
        return self.craft(x, y, index, *rest)


@cache
def attack(name: str):
    """The compiled attack on a stochastic classifier, its plan, and what one process makes with it."""
    victim, plan = tiny_classifier("GFZ", samples=2), make_plan(name, "mnist", "corrected", grid=[VALUE], **PLANS[name])
    craft = build_craft(plan, Target(victim.attack_logits, 3, victim.attack_sample_logits))
    whole, _ = Crafting(craft, plan, IMAGES, IMAGES.y, 7, BATCH).all(VALUE)
    return craft, plan, whole


def crafting(name: str) -> Crafting:
    craft, plan, _ = attack(name)
    return Crafting(Counted(craft), plan, IMAGES, IMAGES.y, 7, BATCH)


def made(parts: Crafting) -> set[int]:
    """Rows that were made."""
    return {int(np.flatnonzero(IMAGES.index == i)[0]) for i in parts.craft.positions}


@st.composite
def ranges(draw) -> list[tuple[int, int]]:
    """Some of the parts of any cut of the images, in any order."""
    cuts = draw(st.sets(st.integers(1, N - 1)))
    parts = list(pairwise([0, *sorted(cuts), N]))
    return draw(st.permutations(parts))[: draw(st.integers(0, len(parts)))]


def check(name: str, parts: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / "result.partial.npz"
        for first, last in parts:  # each as by a process of its own
            crafting(name).range(first, last, VALUE, partial)
        end = crafting(name)
        x_adv, seconds = end.all(VALUE, partial)
        done = {row for first, last in parts for row in range(first, last)}
        assert made(end) == set(range(N)) - done
        assert x_adv.tobytes() == attack(name)[2].tobytes()
        assert seconds >= 0
        remove_partial(partial)
        assert not list(Path(folder).iterdir())


@settings(deadline=None, max_examples=40)
@given(ranges())
def test_any_ranges_in_any_order_give_the_bytes_of_one_process(parts):
    check("noise", parts)


@settings(deadline=None, max_examples=12)
@given(ranges())
def test_so_they_do_under_pgd_on_a_stochastic_classifier(parts):
    check("pgd", parts)


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (3, 3), (5, 2), (0, N + 1), (N, N + 4)])
def test_a_range_outside_the_images_is_refused_by_name(first, last, tmp_path):
    parts = crafting("noise")
    with pytest.raises(UsageError, match=rf"the range {first}:{last} is outside the run's images, 0:{N}"):
        parts.range(first, last, VALUE, tmp_path / "result.partial.npz")
    assert not parts.craft.positions
    assert not list(tmp_path.iterdir())


def test_the_whole_is_a_range_that_is_kept_too(tmp_path):
    crafting("noise").range(0, N, VALUE, tmp_path / "result.partial.npz")
    end = crafting("noise")
    assert end.all(VALUE, tmp_path / "result.partial.npz")[0].tobytes() == attack("noise")[2].tobytes()
    assert not end.craft.positions


# ---- what is found and what is worth nothing -------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """Ranges 0:4 and 6:8 of a result, the others missing."""
    partial = tmp_path / "result.partial.npz"
    for first, last in ((0, 4), (6, 8)):
        crafting("noise").range(first, last, VALUE, partial)
    assert find_ranges(partial, IMAGES.x.shape).keys() == {(0, 4), (6, 8)}
    return partial


def assert_made_again(partial: Path, rows: set[int]) -> None:
    end = crafting("noise")
    assert end.all(VALUE, partial)[0].tobytes() == attack("noise")[2].tobytes()
    assert made(end) == rows


def file(partial: Path, first: int, last: int) -> Path:
    return partial.with_name(f"result.{first}-{last}.partial.npz")


@pytest.mark.parametrize("keep", [0, 1, 40, -1])
def test_a_damaged_range_is_made_again(kept, keep):
    damaged = file(kept, 0, 4)
    damaged.write_bytes(damaged.read_bytes()[:keep])
    assert_made_again(kept, {0, 1, 2, 3, 4, 5, 8, 9, 10})


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_changed_byte_of_a_range_is_believed(place, change):
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / "result.partial.npz"
        crafting("noise").range(0, 4, VALUE, partial)
        content = bytearray(file(partial, 0, 4).read_bytes())
        content[int(place * len(content))] ^= change
        file(partial, 0, 4).write_bytes(content)
        assert crafting("noise").all(VALUE, partial)[0].tobytes() == attack("noise")[2].tobytes()


def test_of_overlapping_ranges_the_longer_one_counts(kept):
    arrays = read_arrays(file(kept, 0, 4))
    write_arrays(file(kept, 2, 5), {"x_adv": 0 * arrays["x_adv"][:3], "seconds": arrays["seconds"]})
    assert find_ranges(kept, IMAGES.x.shape).keys() == {(0, 4), (6, 8)}
    assert_made_again(kept, {4, 5, 8, 9, 10})


def test_where_the_longer_one_is_damaged_the_shorter_one_counts(kept):
    file(kept, 2, 9).write_bytes(b"damaged")
    assert_made_again(kept, {4, 5, 8, 9, 10})


def test_a_range_takes_up_what_is_there_of_it(kept):
    made = crafting("noise").range(0, 6, VALUE, kept)
    assert sorted(made) == [(0, 4), (4, 6)]
    found = sorted(f.name for f in kept.parent.iterdir())
    assert found == [file(kept, 0, 4).name, file(kept, 4, 6).name, file(kept, 6, 8).name]


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("result.4-6.partial.npz", {"x_adv": np.zeros((3, 8, 8, 1), np.float32), "seconds": 0.0}),  # too many
        ("result.4-6.partial.npz", {"x_adv": np.zeros((2, 9, 8, 1), np.float32), "seconds": 0.0}),  # of another size
        ("result.4-6.partial.npz", {"x_adv": np.zeros((2, 8, 8, 1), np.float32), "seconds": np.zeros(2)}),
        ("result.4-6.partial.npz", {"x_adv": np.zeros((2, 8, 8, 1), np.float32)}),
        ("result.8-14.partial.npz", {"x_adv": np.zeros((6, 8, 8, 1), np.float32), "seconds": 0.0}),  # of more images
        ("result.6-4.partial.npz", {"x_adv": np.zeros((2, 8, 8, 1), np.float32), "seconds": 0.0}),
        ("result2.4-6.partial.npz", {"x_adv": np.zeros((2, 8, 8, 1), np.float32), "seconds": 0.0}),  # another result's
        ("result.4-6.partial", {"x_adv": np.zeros((2, 8, 8, 1), np.float32), "seconds": 0.0}),
        ("result.partial.npz", {"x_adv": np.zeros((2, 8, 8, 1), np.float32), "seconds": 0.0}),  # of an older version
    ],
)
def test_foreign_ranges_are_worth_nothing(kept, name, arrays):
    write_arrays(kept.with_name(name), {k: np.array(v) for k, v in arrays.items()})
    assert find_ranges(kept, IMAGES.x.shape).keys() == {(0, 4), (6, 8)}
    assert_made_again(kept, {4, 5, 8, 9, 10})


def test_only_what_is_left_of_this_result_is_removed(kept):
    others = [kept.with_name(n) for n in ("result2.0-4.partial.npz", "result.npz", "result.json", "a.result.0-4.npz")]
    for other in others:
        other.write_bytes(b"")
    file(kept, 8, 10).write_bytes(b"damaged")
    remove_partial(kept)
    assert sorted(kept.parent.iterdir()) == sorted(others)
    remove_partial(kept.parent / "nowhere" / "result.partial.npz")


# ---- a run -----------------------------------------------------------------------------------------------------------


def run_on(folder: Path) -> AttackRun:
    context = open_context(RunSettings(folder, dataset="tiny", classifiers=(), num_images=N, save=True))
    return AttackRun(context, tiny_classifier("GFZ", samples=2), make_plan("pgd", "tiny", "corrected", steps=3))


@pytest.mark.usefixtures("tiny_dataset")
def test_a_result_of_ranges_is_that_of_one_process_and_nothing_is_left_behind(tmp_path):
    for first, last in ((7, 11), (0, 3)):
        run_on(tmp_path / "parts").craft_range(VALUE, first, last)
    partial = [f.name.split(".", 2)[-1] for f in (tmp_path / "parts").rglob("*.partial.npz")]
    assert sorted(p.split(".")[-3] for p in partial) == ["0-3", "7-11"]
    with pytest.raises(UsageError, match="the range 9:12 is outside the run's images, 0:11"):
        run_on(tmp_path / "parts").craft_range(VALUE, 9, 12)
    for folder in ("parts", "whole"):
        run_on(tmp_path / folder).result(VALUE)
    assert not list(tmp_path.rglob("*.partial.npz"))
    ((name, one),), ((_, other),) = (results(tmp_path / f, "pgd_*").items() for f in ("parts", "whole"))
    times = ("seconds", "sha256")  # the checksum is over the seconds, too
    assert {k: v for k, v in one.items() if k not in times} == {k: v for k, v in other.items() if k not in times}
    arrays = [read_arrays(tmp_path / f / "tiny" / "GFZ" / name.replace(".json", ".npz")) for f in ("parts", "whole")]
    assert arrays[0]["x_adv"].tobytes() == arrays[1]["x_adv"].tobytes()
