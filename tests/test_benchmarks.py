"""The reference that ours is timed against computes the same numbers; the report says what was timed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deepbayes.benchmarks import command, measure, report
from deepbayes.benchmarks.cases import Bench
from deepbayes.benchmarks.memory import peak_memory
from deepbayes.benchmarks.plain import PlainClassifier
from deepbayes.benchmarks.timing import Case, interleave
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from helpers import ROOT, tiny, tiny_classifier

X = np.random.default_rng(0).uniform(size=(4, 8, 8, 1)).astype(np.float32)
Y = np.array([0, 1, 2, 0], np.int32)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_plain_port_gives_our_logits_bound_and_gradient(name):
    classifier = tiny(name)
    plain, noise = PlainClassifier(classifier), classifier.draw(0, range(4))
    np.testing.assert_allclose(plain.logits(X, noise), classifier.logits(X, noise), rtol=1e-4)
    own = noise[:1, 0]
    np.testing.assert_allclose(
        plain.bound(X, classifier.one_hot(Y), own), classifier.bound(X, Y, own), rtol=1e-4, atol=1e-4
    )
    bench = Bench(classifier, X, Y)
    ours, theirs = (g(tf.constant(X), tf.constant(Y), noise) for g in (bench.our_gradient, bench.plain_gradient))
    assert np.linalg.norm(ours - theirs) < 1e-2 * np.linalg.norm(theirs)  # untrained: samples nearly cancel


def test_contenders_take_turns_after_one_call_that_is_not_counted():
    order = []
    case = Case("work", "image", {n: lambda n=n: order.append(n) for n in ("ours", "plain")}, 10)
    timed = interleave(case, 3)
    assert order == ["ours", "plain", "ours", "plain", "plain", "ours", "ours", "plain"]
    assert len(timed["ms"]["ours"]) == 3
    middle, low, high = timed["speedup"]["ours"]
    assert low <= middle <= high


def test_a_quick_run_writes_json_table_and_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "load_classifier", lambda dataset, name: tiny_classifier(name))
    assert command.main(["--quick", "--classifiers", "DBX", "--rounds", "1", "--output", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "benchmark.json").read_text())
    assert set(result["mnist"]["DBX"]) == set(report._SHORT)
    assert "CPU" in result["machine"]["device"] or "GPU" in result["machine"]["device"]
    assert "| DBX |" in (tmp_path / "benchmark.md").read_text()
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


def test_no_rounds_are_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["--rounds", "0"])
    assert "not a positive number" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command.main(["--output", str(tmp_path / "file" / "folder")]) == 2
    out, err = capsys.readouterr()
    assert "cannot be written" in err
    assert "GFZ" not in out + err


def test_peak_memory_is_that_of_the_process_itself_not_of_its_parent():
    ballast = np.ones(2**28 // 8)  # 256 MiB that stay in this process's high-water mark
    here = int(next(v for v in Path("/proc/self/status").read_text().splitlines() if v.startswith("VmHWM")).split()[1])
    assert here / 1024 > ballast.nbytes / 2**20
    code = "from deepbayes.benchmarks.memory import _peak; print(_peak())"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(child.stdout) < 200


def test_peak_memory_of_an_attack_is_more_than_tensorflows_alone():
    assert 200 < peak_memory("DFX", "plain", 20) < 20_000


def test_a_child_that_dies_is_said_with_its_last_words():
    with pytest.raises(UsageError, match=r"benchmarks\.memory nothing ours 20 ended with exit code 1: \w+"):
        peak_memory("nothing", "ours", 20)
