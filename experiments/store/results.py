"""The results store: one JSON a result, found again by the hash of its settings.

    results/<dataset>/<victim>/<attack>_<parameter>-<hash>.json   settings, versions, counts, rates, norms, wall time
    results/<dataset>/<victim>/<the same>.npz                     logits, a few images for the figures; with --save
                                                                  all adversarial images and labels
    results/<dataset>/<victim>/<the same>.partial.npz             the finished batches of an attack that is running
    results/<dataset>/<victim>/detect_<attack>_...-<hash>.json    what a guard detected of them; .npz: its statistics

Files are written atomically, a result that exists is not computed again. A damaged or changed one is reported and
replaced: a result holds checksums of its content and of its arrays, and its file's name is the hash of its settings.
"""

import glob
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbayes.data.registry import caveat
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.identity import result_file, settings_hash
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.result import Result
from deepbayes.experiments.store.seal import ARRAYS_SEAL, SEAL, arrays_sha256, content_sha256
from deepbayes.models.files import FileError, read_arrays, read_json, write_arrays, write_json

__all__ = ["ResultsStore", "settings_hash", "versions"]

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "cleverhans", "numpy")


def versions() -> dict[str, str]:
    found = {p: importlib.metadata.version(p) for p in PACKAGES}
    return found | {"python": platform.python_version()}


@dataclass(frozen=True)
class ResultsStore:
    """A folder of results. `device`: what new ones are computed on, for whoever reads them."""

    root: Path
    device: str = ""

    def file(self, settings: Mapping) -> Path:
        """Where the result of these settings is or will be; `settings` names dataset, victim, attack and parameter."""
        return self.root / result_file(settings)

    def partial(self, settings: Mapping) -> Path:
        """Where the finished batches of a result that is being made are kept."""
        return self.file(settings).with_suffix(".partial.npz")

    def read(self, settings: Mapping) -> Result | None:
        """The finished result of these settings, or None; a damaged file is reported and counts as none."""
        file = self.file(settings)
        if not file.exists():
            return None
        try:
            return self._read(file)
        except FileError as error:
            _warn(f"{error}; computing it again")
            return None

    def write(self, settings: dict, content: dict, arrays: dict[str, np.ndarray] | None = None) -> Result:
        """Stores and returns a result; the arrays first, so that a JSON never promises arrays that are not there.

        Raises:
          FileError: content that no reader would believe, NaN among it; nothing is written.
        """
        note, file = caveat(settings["dataset"]), self.file(settings)
        whole = {"settings": settings, "versions": versions(), "note": note, "device": self.device} | content
        if arrays is not None:
            whole[ARRAYS_SEAL] = arrays_sha256(arrays)
        whole = json.loads(json.dumps(whole))  # as it will be read again
        whole[SEAL] = content_sha256(whole)
        try:
            result = Result.from_json(whole)
        except FileError as error:
            raise FileError(f"{file} is not written: {error}") from None
        if arrays is not None:
            write_arrays(file.with_suffix(".npz"), arrays)
        write_json(file, whole)
        return result

    def arrays(self, result: Mapping) -> dict[str, np.ndarray]:
        """The arrays stored with a result; none where they are missing, damaged or another's, which is reported."""
        file = self.file(result["settings"]).with_suffix(".npz")
        if not file.exists():
            return {}
        try:
            arrays = read_arrays(file)
            if not _belong(arrays, result):
                raise FileError(f"{file} holds other arrays than {file.with_suffix('.json').name} was made with")
        except FileError as error:
            _warn(f"{error}; taken as missing")
            return {}
        return arrays

    def all(self, dataset: str | None = None) -> list[Result]:
        """Every readable result, oldest first, then by name; damaged ones are reported and left out."""
        found = []
        files = self.root.glob(f"{glob.escape(dataset) if dataset else '*'}/*/*-*.json")
        files = (f for f in files if f.parts[-3] != "training")  # cards of weights
        for file in sorted(files, key=_age):
            try:
                found.append(self._read(file))
            except _NotAResult:
                continue
            except FileError as error:
                _warn(f"{error}; left out")
        return found

    def _read(self, file: Path) -> Result:
        """Raises FileError: missing, damaged, foreign, edited, of an older version, or under another's name."""
        try:
            content = read_json(file)
        except RecursionError:
            raise FileError(f"{file} is damaged (nested without end)") from None
        if isinstance(content.get("settings"), dict) and "attack" not in content["settings"]:
            raise _NotAResult(f"{file} is a card")
        try:
            result = Result.from_json(content)
        except FileError as error:
            raise FileError(f"{file} is {error}") from None
        if self.file(result.settings) != file:
            raise FileError(f"{file} holds other settings than its name says")
        return result


def check_writable(folder: Path) -> None:
    """Raises UsageError unless results can be written to `folder`, which need not exist; makes nothing."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise UsageError(
            f"{folder} cannot be written ({existing} is no folder, or not yours); choose another --output or "
            "DEEPBAYES_RESULTS"
        )


class _NotAResult(FileError):
    """The card of training logits or of a student."""


def _age(file: Path) -> tuple[float, Path]:
    try:
        return file.stat().st_mtime, file
    except OSError:  # a broken link: reading it says so
        return 0.0, file


def _belong(arrays: dict[str, np.ndarray], result: Mapping) -> bool:
    """Whether arrays are those that a result was stored with; of older versions, whether they fit it."""
    if ARRAYS_SEAL in result:
        return result[ARRAYS_SEAL] == arrays_sha256(arrays)
    n = result["settings"]["num_images"]
    if any(a.shape[:1] != (n,) for name, a in arrays.items() if not name.startswith("examples")):
        return False
    if any(a.dtype.kind not in "biuf" or not np.isfinite(a).all() for a in arrays.values()):
        return False
    if "examples" in arrays and not _are_examples(arrays, n):
        return False
    if "logits" in arrays and "predictions" in result:
        return arrays["logits"].argmax(axis=1).tolist() == result["predictions"]
    return "successes" not in result or int(arrays.get("success", np.array(-1)).sum()) == result["successes"]["count"]


def _are_examples(arrays: dict[str, np.ndarray], n: int) -> bool:
    rows = arrays.get("examples_row", np.array(-1))
    return (
        rows.shape == arrays["examples"].shape[:1]
        and rows.dtype.kind in "iu"
        and bool(np.all((rows >= 0) & (rows < n)))
    )


def _warn(text: str) -> None:
    print(f"warning: {visible(text)}", file=sys.stderr)
