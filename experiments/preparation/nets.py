"""Plain Keras nets that are made once: NAME.keras, and beside it NAME.json, its card."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras

from deepbayes.experiments.measurements.progress import bar, step_done
from deepbayes.experiments.store.results import versions
from deepbayes.models.files import FileError, atomic, file_sha256, read_json, write_json


def made_once(
    file: Path, settings: dict, new: Callable[[], keras.Model], make: Callable, progress: tuple[float, str],
    fresh: bool = False,
) -> tuple[keras.Model, dict]:  # fmt: skip
    """The net of these settings with its card: the stored one, or a new one that is stored.

    Args:
      new: gives the untrained net. make: (net, bar) -> facts for the card; trains the net.
      progress: amount of work, and what it is. fresh: make it again where it exists.
    """
    card = None if fresh else _card(file, settings)
    if card is not None:
        return keras.models.load_model(file), card
    net = new()
    with bar(*progress) as running:
        facts = make(net, running)
        step_done(f"made: {progress[1]}")
    with atomic(file) as temporary:
        whole = temporary.with_suffix(".keras")
        net.save(whole)
        whole.replace(temporary)
    # two of them: Keras's file holds the time, so that the same weights twice are two files
    weights = hashlib.sha256(b"".join(w.tobytes() for w in net.get_weights())).hexdigest()
    card = {"settings": settings, "sha256": file_sha256(file), "weights_sha256": weights, "versions": versions()}
    card |= facts
    write_json(file.with_suffix(".json"), card)
    return net, card


def _card(file: Path, settings: dict) -> dict | None:
    try:
        card = read_json(file.with_suffix(".json"))
        whole = card["sha256"] == file_sha256(file) and "weights_sha256" in card
        return card if whole and card["settings"] == settings else None
    except (FileError, OSError, KeyError):
        return None
