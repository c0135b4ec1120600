"""A run cut into tasks: one classifier, attack, budget and range of images each, made anywhere and in any order.

    tasks = cut(settings, images_a_task=50)
    for task in tasks: work(settings, task)        each in a process, or on a machine, of its own
    results = attack.run(settings)                 finds the ranges, measures each result once

The results are those of one process: an image's noise depends on the seed and its position alone, and a range begins
where a batch does. A task leaves its images in the results store (measurements/craft.py says where).
"""

from dataclasses import dataclass, replace

from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.runs.attack import AttackRun
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings


@dataclass(frozen=True)
class Task:
    """Images `first` to `last` - 1 of a run, attacked by the run's attack.

    Attributes:
      classifier: its name, as the run knows it. value: of the attack's parameter.
    """

    classifier: str
    value: float
    first: int
    last: int


def cut(settings: RunSettings, images_a_task: int) -> list[Task]:
    """The tasks of a run of one attack, at most `images_a_task` images each, whole batches but for the last.

    Raises:
      UsageError: fewer images a task than one.
    """
    if images_a_task < 1:
        raise UsageError(f"a task needs at least 1 image, not {images_a_task}")
    context = open_context(settings)
    plan = plan_of(settings.attack, context.dataset, context.protocol.name)
    tasks, n = [], len(context.images)
    for name, load in context.classifiers():
        batch = context.batch_size(load())
        size = max(batch, images_a_task - images_a_task % batch)
        ranges = [(first, min(first + size, n)) for first in range(0, n, size)]
        tasks += [Task(name, value, first, last) for value in plan.grid for first, last in ranges]
    return tasks


def work(settings: RunSettings, task: Task) -> None:
    """Does one task; where its images, or the whole result, are there already, nothing.

    Raises:
      UsageError: the run has no such classifier, or the range is outside its images.
    """
    attack = _attack(open_context(settings), task)
    if attack.context.store.read(attack.settings(task.value)) is None:
        attack.craft_range(task.value, task.first, task.last)


def _attack(context: Context, task: Task) -> AttackRun:
    loaders = dict(context.classifiers())
    if task.classifier not in loaders:
        raise UsageError(f"the run has no classifier {task.classifier}; it has {', '.join(loaders)}")
    asked = replace(context.run.attack, grid=(task.value,))
    return AttackRun(context, loaders[task.classifier](), plan_of(asked, context.dataset, context.protocol.name))
