"""Logits of a classifier on the images it was trained on: what detection thresholds are set from (paper, section 3).

    beside the weights:  GFZ_training_logits.npz, .json      those that ship: all 55,000 images, K = 10
    in the store:        <output>/training_logits/<data set>/GFZ-<hash>.npz, .json     those computed here

The .npz holds logits (M, C) float16 and labels (M,) uint8. Its card, the .json, says of which weights, images, K and
seed; it is written last, so an .npz without one is an unfinished run, and is gone on with.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbayes.data.checks import DataError, Images, spread_positions
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import batches
from deepbayes.experiments.measurements.noise_roles import CALIBRATION, noise_seed
from deepbayes.experiments.measurements.progress import bar, say, step_done, warn
from deepbayes.experiments.settings.defaults import DEFAULT_IMAGES, USUAL
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import Protocol
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.experiments.store.results import settings_hash, versions
from deepbayes.models.classifier import Classifier
from deepbayes.models.files import FileError, file_sha256, read_arrays, read_json, write_arrays, write_json

_SAVE_SECONDS = 30


@dataclass(frozen=True)
class TrainingLogits:
    """Logits (M, C) float32 and true labels (M,) of training images; `settings` identifies them in a result."""

    logits: np.ndarray
    labels: np.ndarray
    settings: dict

    def spread(self, n: int | None) -> "TrainingLogits":
        """n of them at even distances, as Images.spread takes images; None takes all."""
        if n is None or n >= len(self.labels):
            return self
        rows = spread_positions(n, len(self.labels))
        return TrainingLogits(self.logits[rows], self.labels[rows], self.settings | {"images": n})


def training_logits(run: RunSettings, dataset: str, victim: Classifier, protocol: Protocol) -> TrainingLogits:
    """Those that ship, those in the store, or new ones.

    Raises:
      DataError: they must be computed, and the training images are not at hand.
    """
    wanted = run.detection.calibration_images
    settings = _settings(run.seed, dataset, victim, protocol)
    shipped = victim.weights and _finished(
        victim.weights.with_name(f"{victim.weights.stem}_training_logits.npz"),
        {k: v for k, v in settings.items() if k != "seed"},  # whose noise does not matter over so many images
    )
    if shipped:
        return shipped.spread(None if wanted == "auto" else wanted)
    name, part = victim.trained_on.split("/")
    try:
        images = DATASETS[name].load(part, run.data_dir)
    except DataError as error:
        raise type(error)(
            f"{victim.name}'s thresholds are set on its training images, {name}/{part}: {error}"
        ) from None
    images = images.spread(DEFAULT_IMAGES if wanted == "auto" else wanted)
    settings |= {"data_sha256": images.sha256, "images": len(images)}
    folder = run.output / "training_logits" / name
    file = folder / f"{victim.name}-{settings_hash(settings)}.npz"
    return _finished(file, settings) or _compute(file, settings, victim, images)


def _settings(seed: int, dataset: str, victim: Classifier, protocol: Protocol) -> dict:
    uniform = -math.log(DATASETS[dataset].classes)
    return {
        "data": victim.trained_on,
        "weights_sha256": victim.settings["weights_sha256"],
        "samples": victim.settings.get("samples"),
        "log_prior_y": round(protocol.classifier_options().get("log_prior_y", uniform), 6),
        "seed": seed,
    }


def _finished(file: Path, settings: dict) -> TrainingLogits | None:
    """What `file` holds, where it is whole and its card agrees with `settings`; a damaged one is reported."""
    card_file = file.with_suffix(".json")
    if not (file.exists() and card_file.exists()):
        return None
    try:
        card = read_json(card_file)
        if any(card["settings"].get(k) != v for k, v in settings.items()):
            return None
        if card["sha256"] != file_sha256(file):
            raise FileError(f"{file} is damaged: its sha256 is not the one in {card_file.name}")
        arrays = read_arrays(file)
    except (FileError, KeyError) as error:
        warn(f"{error}; its logits are computed again")
        return None
    return TrainingLogits(arrays["logits"].astype(np.float32), arrays["labels"].astype(np.int64), card["settings"])


def _compute(file: Path, settings: dict, victim: Classifier, images: Images) -> TrainingLogits:
    logits = victim.graph_of("logits")
    seed, index = noise_seed(settings["seed"], CALIBRATION), images.index.astype(np.int32)
    partial = file.with_suffix(".partial.npz")
    parts, done = [], 0
    if partial.exists():
        try:
            parts = [read_arrays(partial)["logits"]]
            done = len(parts[0])
            say(f"{victim.name}: training logits, going on after {done} of {len(images)}")
        except (FileError, KeyError):
            parts = []
    saved = start = time.monotonic()
    with bar(len(images), f"{victim.name}: logits of {len(images)} training images") as progress:
        progress.rewind(done)
        for true, batch in batches((images.x[done:], index[done:]), USUAL):
            parts.append(np.asarray(logits(*batch, seed))[:true].astype(np.float16))
            if not np.isfinite(parts[-1]).all():
                raise UsageError(f"{victim.name} gives logits on {images.name} that are NaN, or beyond 65,504 nats")
            progress.advance(true)
            if time.monotonic() - saved > _SAVE_SECONDS:
                parts, saved = [np.concatenate(parts)], time.monotonic()
                write_arrays(partial, {"logits": parts[0]})
        step_done(f"{victim.name}: logits of {len(images)} training images")
    whole = np.concatenate(parts)
    write_arrays(file, {"logits": whole, "labels": images.y.astype(np.uint8)})
    card = {
        "settings": settings,
        "sha256": file_sha256(file),
        "versions": versions(),
        "seconds": round(time.monotonic() - start),
        "computed": len(images) - done,
    }
    write_json(file.with_suffix(".json"), card)
    partial.unlink(missing_ok=True)
    return TrainingLogits(whole.astype(np.float32), images.y, settings)
