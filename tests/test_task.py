"""A run cut into tasks, done in any order and by other processes, gives what one process gives."""

import json
from dataclasses import replace

import pytest

from deepbayes.experiments.runs import attack, task
from deepbayes.experiments.runs.task import Task
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import AttackSettings, RunSettings

OF_THIS_PROCESS = ("seconds", "device", "versions", "sha256")


def settings(folder, **options) -> RunSettings:
    usual = {
        "dataset": "mnist5k", "classifiers": ("DFX",), "classifier_options": {"samples": 2}, "num_images": 22,
        "batch_size": 5, "attack": AttackSettings("pgd", (0.1, 0.2), {"steps": "3", "restarts": "2"}),
    }  # fmt: skip
    return RunSettings(output=folder, **usual | options)


def stored(folder):
    found = {}
    for file in sorted(folder.glob("mnist5k/DFX/*.json")):
        content = json.loads(file.read_text())
        found[file.name] = {k: v for k, v in content.items() if k not in OF_THIS_PROCESS}
    return found


def test_tasks_in_any_order_give_the_result_of_one_process(tmp_path):
    attack.run(settings(tmp_path / "one"))
    cut = settings(tmp_path / "cut")
    tasks = task.cut(cut, 11)
    assert [(t.value, t.first, t.last) for t in tasks] == [
        (v, a, b) for v in (0.1, 0.2) for a, b in ((0, 10), (10, 20), (20, 22))
    ]
    for t in reversed(tasks):
        task.work(cut, t)
    assert len(list(tmp_path.glob("cut/mnist5k/DFX/*.partial.npz"))) == 6
    attack.run(cut)
    assert stored(tmp_path / "cut") == stored(tmp_path / "one")
    assert not list(tmp_path.glob("cut/mnist5k/DFX/*.partial.npz"))


def test_a_task_of_what_is_there_does_nothing(tmp_path, monkeypatch):
    s = settings(tmp_path, num_images=4, attack=AttackSettings("noise", (0.1,)))
    attack.run(s)
    task.work(s, Task("DFX", 0.1, 0, 4))
    assert not list(tmp_path.glob("mnist5k/DFX/*.partial.npz"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Task("DFX", 0.1, 3, 9), "the range 3:9 is outside the run's images, 0:4"),
        (Task("DFX", 0.1, 2, 2), "the range 2:2 is outside"),
        (Task("DFX", 0.1, -1, 2), "the range -1:2 is outside"),
        (Task("GBZ", 0.1, 0, 2), "the run has no classifier GBZ; it has DFX"),
    ],
)
def test_a_task_that_is_none_of_the_run_is_refused(tmp_path, wrong, message):
    s = settings(tmp_path, num_images=4, attack=AttackSettings("noise", (0.1,)))
    with pytest.raises(UsageError, match=message):
        task.work(s, wrong)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_cut_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="at least 1 image"):
        task.cut(replace(settings(tmp_path), num_images=4), 0)
