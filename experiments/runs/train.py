"""`train`: fits classifiers, keeps their state through any interruption, and writes weights with a card.

<output>/training/<data set>/GBZ/checkpoint.npz   state of the run; the same command goes on from it
<output>/training/<data set>/GBZ/history.csv      the objective, its terms, accuracy and seconds by epoch; history.png
<output>/training/<data set>/GBZ.npz, GBZ.json    weights and card, for --weights <output>/training/<data set>
"""

import csv
import datetime
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepbayes.data.checks import DataError, Images
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import evaluate
from deepbayes.experiments.measurements.context import check_options, chosen_dataset
from deepbayes.experiments.measurements.device import cores, device
from deepbayes.experiments.measurements.intervals import percent
from deepbayes.experiments.measurements.progress import bar, say, say_always
from deepbayes.experiments.reporting import figures
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.experiments.store.results import check_writable, versions
from deepbayes.models import zoo
from deepbayes.models.files import FileError, atomic
from deepbayes.models.recipes import NoRecipe, Recipe, recipe
from deepbayes.models.training import Trainer, TrainingData, TrainingDiverged

VALIDATION_IMAGES = 500
_INTERRUPTED, _DIVERGED = 130, 3


@dataclass(frozen=True)
class Session:
    """What the trainings of one command share."""

    run: RunSettings
    dataset: str
    images: Images
    validation: Images

    @property
    def folder(self) -> Path:
        return self.run.output / "training" / self.dataset

    @property
    def options(self) -> dict:
        return {**self.run.classifier_options, **PROTOCOLS[self.run.protocol].classifier_options()}

    def recipe(self, name: str) -> Recipe:
        overrides = self.run.training.overrides | {"batch_size": self.run.batch_size}
        try:
            return recipe(DATASETS[self.dataset].weights_of, name, overrides)
        except NoRecipe as error:
            raise UsageError(str(error)) from None

    def stem(self, name: str) -> str:
        return zoo.file_stem(self.dataset, name, **self.run.classifier_options)


def run(settings: RunSettings) -> int:
    """Trains the classifiers one after the other; an exit code: 0, 3 (diverged), 130 (interrupted, saved)."""
    session = _open(settings)
    histories = {}
    for name in settings.classifiers:
        stem = session.stem(name)
        trainer = _trainer(session, name)
        if trainer.progress.step > trainer.total_steps:
            done = trainer.progress.step // trainer.steps_per_epoch
            raise UsageError(
                f"{session.folder / stem} has been trained for {done} epochs: --epochs {done} or more, or --output"
            )
        try:
            finished = _fit(session, trainer, stem)
        except TrainingDiverged as error:
            say_always(f"error: {error}")
            return _DIVERGED
        histories[stem] = trainer.progress.history
        if not finished or trainer.stopped_by is not None:  # a signal in the last chunk, too, ends it all
            say(f"{stem}: saved at step {trainer.progress.step} of {trainer.total_steps}; the same command goes on")
            return _INTERRUPTED
        file = session.folder / f"{stem}.npz"
        if _published(trainer, file):
            say(f"{stem}: trained already, see {file.with_suffix('.json')}")
        else:
            _publish(session, name, trainer, file)
    if len(histories) > 1:
        say(f"curves: {figures.training_curves(session.dataset, histories, session.folder / 'curves.png')}")
    return 0


def _open(settings: RunSettings) -> Session:
    """Images and first words. Raises UsageError or DataError before anything is written."""
    if settings.training.threads:
        tf.config.threading.set_intra_op_parallelism_threads(settings.training.threads)
        tf.config.threading.set_inter_op_parallelism_threads(settings.training.threads)
    check_writable(settings.output)
    name = chosen_dataset(settings)
    check_options(settings)
    processors = device()
    images = DATASETS[name].load("train", settings.data_dir).spread(settings.training.images)
    validation = DATASETS[name].load("test", settings.data_dir).spread(VALIDATION_IMAGES)
    session = Session(settings, name, images, validation)
    for classifier in settings.classifiers:
        if len(images) < (size := session.recipe(classifier).batch_size):
            raise UsageError(f"{len(images)} training images do not fill one batch of {size}: --batch-size")
    tf.config.experimental.enable_op_determinism()
    say(f"{len(images)} training images of {name}, on {processors}, into {session.folder}")
    return session


def _trainer(session: Session, name: str) -> Trainer:
    settings, r = session.run, session.recipe(name)
    options = session.options | {"initialiser": r.initialiser}
    classifier = zoo.new_classifier(session.dataset, name, settings.seed, **options)

    @tf.function
    def predict(x, index):
        return tf.argmax(classifier.logits(x, index, tf.constant(0)), axis=1)

    def validate(epoch: int) -> float | None:
        if epoch % settings.training.validate_every and epoch != r.epochs:
            return None
        v = session.validation
        predictions = run_batches(predict, (v.x, v.index.astype(np.int32)), 25)
        return float(np.mean(predictions == v.y))

    images = session.images
    own = "".join(f"{v}" for v in DATASETS[session.dataset].identity.values())
    data = TrainingData(images.x, images.y, images.sha256 + own)
    checkpoint = session.folder / session.stem(name) / "checkpoint.npz"
    return Trainer(classifier, data, r, settings.seed, checkpoint, settings.training.checkpoint_steps, validate)


def _fit(session: Session, trainer: Trainer, stem: str) -> bool:
    """Runs the trainer under a progress bar; history.csv and history.png follow every epoch."""
    folder, what = session.folder / stem, trainer.classifier.objective
    if 0 < trainer.progress.step < trainer.total_steps:
        say(f"{stem}: going on from step {trainer.progress.step} of {trainer.total_steps}")
    shown, start, first = len(trainer.progress.history), time.monotonic(), trainer.progress.step
    with bar(trainer.total_steps, stem) as progress:

        def on_chunk(trainer: Trainer) -> None:
            nonlocal shown
            p = trainer.progress
            per_second = (p.step - first) * trainer.recipe.batch_size / (time.monotonic() - start)
            within = p.step % trainer.steps_per_epoch
            value = sum(p.partial.values()) / within if within else p.history[-1][what]
            progress.describe(f"{stem} epoch {trainer.epoch}: {what} {value:.2f}, {per_second:.0f} images/s")
            progress.rewind(p.step)
            if len(p.history) > shown:
                shown = len(p.history)
                row = p.history[-1]
                accuracy = "" if row["accuracy"] is None else f", accuracy {100 * row['accuracy']:.1f} %"
                say(f"{stem} epoch {row['epoch']}: {what} {row[what]:.2f}{accuracy}, {per_second:.0f} images/s")
                _write_history(p.history, folder)

        finished = trainer.run(on_chunk)
    if trainer.progress.history:
        _write_history(trainer.progress.history, folder)
        figures.training_curves(session.dataset, {stem: trainer.progress.history}, folder / "history.png")
    return finished


def _write_history(history: list[dict], folder: Path) -> None:
    with atomic(folder / "history.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in history)


def _training_record(trainer: Trainer) -> dict:
    p, c = trainer.progress, trainer.classifier
    record = trainer.recipe.settings() | {"seed": trainer.seed} | c.training_facts
    return record | {"seconds": round(p.seconds), f"final_{c.objective}": p.history[-1][c.objective]}


def _published(trainer: Trainer, file: Path) -> bool:
    """Whether `file` holds this very run, measured."""
    try:
        card = zoo.read_card(file)
    except FileError:
        return False
    return card.get("training") == _training_record(trainer) and "tests" in card


def _publish(session: Session, name: str, trainer: Trainer, file: Path) -> None:
    """Writes weights and card, then measures the float16 weights themselves on every test set they have not seen."""
    information, training = DATASETS[session.dataset], session.run.training
    card = {
        "data": {
            "name": f"{session.dataset}/train",
            "images": len(session.images),
            "sha256": session.images.sha256,
            "split": information.split,
            "unseen": list(information.unseen),
        },
        "training": _training_record(trainer),
        "machine": f"{platform.machine()}, {device()}, {training.threads or cores()} thread(s)",
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }
    zoo.save_classifier(file, trainer.classifier, card)
    card["tests"] = {}
    for test in information.unseen:
        try:
            part = DATASETS[test].load("test", session.run.data_dir).spread(training.test_images)
        except DataError as error:
            say(f"{test}/test left out of the card: {error}")
            continue
        card["tests"][f"{test}/test"] = result = _measure(session, test, name, part, file)
        share = result["accuracy"]
        say(f"{file.stem} on {len(part)} images of {test}/test: {percent(share, 2)} % "
            f"({100 * share['low']:.2f} - {100 * share['high']:.2f})")  # fmt: skip
    zoo.save_classifier(file, trainer.classifier, card)
    say(f"weights: {file}, card: {file.with_suffix('.json')}")


def _measure(session: Session, dataset: str, name: str, images: Images, file: Path) -> dict:
    classifier = zoo.load_classifier(dataset, name, file, **session.options)
    with bar(len(images), f"{file.stem} on {dataset}/test") as progress:
        result, _ = evaluate(classifier, images, session.run.seed, USUAL, progress.advance)
    kept = {k: v for k, v in result.items() if k not in ("predictions", "labels", "seconds")}
    return kept | {k: v for k, v in classifier.settings.items() if k == "samples"} | {"seed": session.run.seed}
