"""The results store: one JSON a result, found again by the hash of its settings.

    results/<dataset>/<victim>/<attack>_<parameter>-<hash>.json   settings, versions, counts, rates, norms, wall time
    results/<dataset>/<victim>/<the same>.npz                     logits, a few images for the figures; with --save
                                                                  all adversarial images and labels
    results/<dataset>/<victim>/<the same>.partial.npz             the finished batches of an attack that is running
    results/<dataset>/<victim>/detect_<attack>_...-<hash>.json    what a guard noticed of them; .npz: its statistics

Files are written atomically, a result that exists is not computed again, and a damaged one is reported and replaced.
"""

import hashlib
import importlib.metadata
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.device import device
from deepbayes.experiments.settings.attack_plan import value_of
from deepbayes.experiments.store.result_shape import faults
from deepbayes.models.files import FileError, read_arrays, read_json, write_arrays, write_json

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "cleverhans", "numpy")


def versions() -> dict[str, str]:
    found = {p: importlib.metadata.version(p) for p in PACKAGES}
    return found | {"python": platform.python_version()}


def settings_hash(settings: dict) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class ResultsStore:
    """A folder of results."""

    root: Path

    def file(self, settings: dict) -> Path:
        """Where the result of these settings is or will be; `settings` names dataset, victim, attack and parameter."""
        label = settings["attack"] + ("_targeted" if settings.get("targeted") else "")
        if settings["attack"] in ATTACKS:
            parameter, value = ATTACKS[settings["attack"]].parameter, value_of(settings)
            two_digits = f"{value:.2f}"
            label += f"_{parameter}{two_digits if float(two_digits) == value else value}"
        if through := settings.get("through"):
            label = f"{through['kind']}_{label}" + (f"_from_{through['source']}" if "source" in through else "")
        if "against" in settings:
            label += f"_{settings['against']}"
        elif "detection" in settings:
            found = settings["detection"]
            label = f"detect_{label}" + (f"_guard_{found['guard']}" if found["chosen_guard"] else "")
        return self.root / settings["dataset"] / settings["victim"] / f"{label}-{settings_hash(settings)}.json"

    def partial(self, settings: dict) -> Path:
        """Where the finished batches of a result that is being made are kept."""
        return self.file(settings).with_suffix(".partial.npz")

    def read(self, settings: dict) -> dict | None:
        """The finished result of these settings, or None; a damaged file is reported and counts as none."""
        file = self.file(settings)
        if not file.exists():
            return None
        try:
            result = read_json(file)
            if result.get("settings") != json.loads(json.dumps(settings)):
                raise FileError(f"{file} holds other settings than its name says")
            _check(result, file)
        except FileError as error:
            print(f"warning: {error}; computing it again", file=sys.stderr)
            return None
        return result

    def write(self, settings: dict, content: dict, arrays: dict[str, np.ndarray] | None = None) -> dict:
        """Stores and returns a result; the arrays first, so that a JSON never promises arrays that are not there."""
        file = self.file(settings)
        if arrays is not None:
            write_arrays(file.with_suffix(".npz"), arrays)
        caveat = DATASETS[settings["dataset"]].caveat
        result = {"settings": settings, "versions": versions(), "note": caveat, "device": device()} | content
        write_json(file, result)
        return result

    def arrays(self, result: dict) -> dict[str, np.ndarray]:
        """The arrays stored with a result; none where they are missing or damaged."""
        try:
            return read_arrays(self.file(result["settings"]).with_suffix(".npz"))
        except FileError:
            return {}

    def all(self, dataset: str | None = None) -> list[dict]:
        """Every readable result, oldest first, then by name; damaged ones are reported and left out."""
        found = []
        files = self.root.glob(f"{dataset or '*'}/*/*-*.json")
        files = (f for f in files if f.parts[-3] != "training")  # cards of weights
        for file in sorted(files, key=lambda f: (f.stat().st_mtime, f)):
            try:
                result = read_json(file)
                if isinstance(result.get("settings"), dict) and "attack" not in result["settings"]:
                    continue  # the card of training logits or of a student
                _check(result, file)
            except FileError as error:
                print(f"warning: {error}; left out", file=sys.stderr)
                continue
            found.append(result)
        return found


def _check(result: dict, file: Path) -> None:
    """Raises FileError for a foreign file, an edited one, one of an older version."""
    if wrong := faults(result):
        raise FileError(f"{file} is not a result of this program ({', '.join(wrong)})")
