"""`train`: fits classifiers, keeps their state through any interruption, and writes weights with a card.

<output>/training/<data set>/GBZ/checkpoint.npz   state of the run; the same command goes on from it
<output>/training/<data set>/GBZ/history.csv      bound and its terms, accuracy and seconds by epoch; history.png
<output>/training/<data set>/GBZ.npz, GBZ.json    weights and card, for --weights <output>/training/<data set>
"""

import argparse
import csv
import datetime
import platform
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from deepbayes.data.checks import DataError, Images
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import USUAL
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import compiled_logits, evaluate
from deepbayes.experiments.measurements.context import check_writable, chosen_dataset
from deepbayes.experiments.measurements.device import cores, device
from deepbayes.experiments.measurements.intervals import percent
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.measurements.victims import deep_bayes_victim
from deepbayes.experiments.reporting import figures
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.results import versions
from deepbayes.models.files import FileError, atomic
from deepbayes.models.training import Trainer, TrainingDiverged, TrainingSettings
from deepbayes.models.zoo import file_stem, new_classifier, read_card, save_classifier

BATCH_SIZE = 50
VALIDATION_IMAGES = 500
_INTERRUPTED = 130


def run(options: argparse.Namespace) -> int:
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    check_writable(options.output)
    processors = device()
    name = chosen_dataset(options)
    images = DATASETS[name].load("train", options.data_dir).spread(options.train_images)
    if len(images) < (options.batch_size or BATCH_SIZE):
        raise UsageError(f"{len(images)} training images do not fill one batch of {options.batch_size or BATCH_SIZE}")
    validation = DATASETS[name].load("test", options.data_dir).spread(VALIDATION_IMAGES)
    folder = options.output / "training" / name
    tf.config.experimental.enable_op_determinism()
    say(f"{len(images)} training images of {name}, on {processors}, into {folder}")
    histories = {}
    for classifier_name in options.classifiers:
        stem = file_stem(name, classifier_name, options.dim_z)
        trainer = _trainer(options, name, classifier_name, images, validation, folder / stem)
        if trainer.progress.step > trainer.total_steps:
            done = trainer.progress.step // trainer.steps_per_epoch
            raise UsageError(
                f"{folder / stem} has been trained for {done} epochs: --epochs {done} or more, or --output"
            )
        try:
            finished = _fit(trainer, name, stem, folder / stem)
        except TrainingDiverged as error:
            say(f"error: {error}")
            return 3
        histories[stem] = trainer.progress.history
        if not finished or trainer.stopped_by is not None:  # a signal in the last chunk, too, ends it all
            say(f"{stem}: saved at step {trainer.progress.step} of {trainer.total_steps}; the same command goes on")
            return _INTERRUPTED
        file = folder / f"{stem}.npz"
        if _published(trainer, file):
            say(f"{stem}: trained already, see {file.with_suffix('.json')}")
        else:
            _publish(options, name, classifier_name, images, trainer, file)
    if len(histories) > 1:
        say(f"curves: {figures.training_curves(name, histories, folder / 'curves.png')}")
    return 0


def _trainer(options, dataset: str, name: str, images: Images, validation: Images, folder: Path) -> Trainer:
    protocol = PROTOCOLS[options.protocol]
    classifier = new_classifier(
        dataset, name, options.seed, options.dim_z, options.initialiser, samples=options.samples,
        **protocol.classifier_options(),
    )  # fmt: skip
    settings = TrainingSettings(
        epochs=options.epochs,
        batch_size=options.batch_size or BATCH_SIZE,
        learning_rate=options.learning_rate,
        seed=options.seed,
        kl_warmup=options.kl_warmup,
        initialiser=options.initialiser,
        checkpoint_steps=options.checkpoint_steps,
    )

    @tf.function
    def predict(x, index):
        return tf.argmax(classifier.logits(x, classifier.draw(0, index)), axis=1)

    def validate(epoch: int) -> float | None:
        if epoch % options.validate_every and epoch != settings.epochs:
            return None
        predictions = run_batches(predict, (validation.x, validation.index.astype(np.int32)), 25)
        return float(np.mean(predictions == validation.y))

    return Trainer(classifier, images.x, images.y, settings, images.sha256, folder / "checkpoint.npz", validate)


def _fit(trainer: Trainer, dataset: str, stem: str, folder: Path) -> bool:
    """Runs the trainer under a progress bar; history.csv and history.png follow every epoch."""
    if 0 < trainer.progress.step < trainer.total_steps:
        say(f"{stem}: going on from step {trainer.progress.step} of {trainer.total_steps}")
    shown, start, first = len(trainer.progress.history), time.monotonic(), trainer.progress.step
    with bar(trainer.total_steps, stem) as progress:

        def on_chunk(trainer: Trainer) -> None:
            nonlocal shown
            p = trainer.progress
            per_second = (p.step - first) * trainer.settings.batch_size / (time.monotonic() - start)
            within = p.step % trainer.steps_per_epoch
            bound = sum(p.partial.values()) / within if within else p.history[-1]["bound"]
            progress.describe(f"{stem} epoch {trainer.epoch}: bound {bound:.2f}, {per_second:.0f} images/s")
            progress.rewind(p.step)
            if len(p.history) > shown:
                shown = len(p.history)
                row = p.history[-1]
                accuracy = "" if row["accuracy"] is None else f", accuracy {100 * row['accuracy']:.1f} %"
                say(f"{stem} epoch {row['epoch']}: bound {row['bound']:.2f}{accuracy}, {per_second:.0f} images/s")
                _write_history(p.history, folder)

        finished = trainer.run(on_chunk)
    if trainer.progress.history:
        _write_history(trainer.progress.history, folder)
        figures.training_curves(dataset, {stem: trainer.progress.history}, folder / "history.png")
    return finished


def _write_history(history: list[dict], folder: Path) -> None:
    with atomic(folder / "history.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in history)


def _training_record(trainer: Trainer) -> dict:
    settings = {k: v for k, v in asdict(trainer.settings).items() if k != "checkpoint_steps"}
    p = trainer.progress
    return settings | trainer.prior | {"seconds": round(p.seconds), "final_bound": p.history[-1]["bound"]}


def _published(trainer: Trainer, file: Path) -> bool:
    """Whether `file` holds this very run, measured."""
    try:
        card = read_card(file)
    except FileError:
        return False
    return card.get("training") == _training_record(trainer) and "tests" in card


def _publish(options, dataset: str, name: str, images: Images, trainer: Trainer, file: Path) -> None:
    """Writes weights and card, then measures the float16 weights themselves on every test set they have not seen."""
    information = DATASETS[dataset]
    card = {
        "data": {
            "name": f"{dataset}/train",
            "images": len(images),
            "sha256": images.sha256,
            "split": information.split,
            "unseen": list(information.unseen),
        },
        "training": _training_record(trainer),
        "machine": f"{platform.machine()}, {device()}, {options.threads or cores()} thread(s)",
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }
    save_classifier(file, trainer.classifier, card)
    card["tests"] = {}
    for test in information.unseen:
        try:
            part = DATASETS[test].load("test", options.data_dir).spread(options.test_images)
        except DataError as error:
            say(f"{test}/test left out of the card: {error}")
            continue
        card["tests"][f"{test}/test"] = result = _measure(options, test, name, part, file)
        share = result["accuracy"]
        say(f"{file.stem} on {len(part)} images of {test}/test: {percent(share, 2)} % "
            f"({100 * share['low']:.2f} - {100 * share['high']:.2f})")  # fmt: skip
    save_classifier(file, trainer.classifier, card)
    say(f"weights: {file}, card: {file.with_suffix('.json')}")


def _measure(options, dataset: str, name: str, images: Images, file: Path) -> dict:
    protocol = PROTOCOLS[options.protocol]
    victim = deep_bayes_victim(
        dataset, name, samples=options.samples, protocol=protocol, weights=file, dim_z=options.dim_z
    )
    logits = compiled_logits(victim, images.x.shape[1:], USUAL)
    with bar(len(images), f"{file.stem} on {dataset}/test") as progress:
        result, _ = evaluate(victim, logits, images, options.seed, USUAL, progress.advance)
    kept = {k: result[k] for k in ("n", "accuracy", "bound")}
    return kept | {"samples": options.samples, "seed": options.seed}
