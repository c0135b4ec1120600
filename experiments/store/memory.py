"""A results store that keeps nothing on disk: for scripts and notebooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepbayes.experiments.store.result import Result
from deepbayes.experiments.store.results import versions


@dataclass
class MemoryStore:
    """The results of one call, through the methods of a ResultsStore that runs use."""

    _arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def read(self, settings: Mapping) -> None:
        """Nothing is found again."""

    def partial(self, settings: Mapping) -> None:
        """Nothing is kept of unfinished work."""

    def write(self, settings: dict, content: dict, arrays: dict[str, np.ndarray] | None = None) -> Result:
        whole = {"settings": settings, "versions": versions(), "note": "", "device": "", **content}
        self._arrays[_key(settings)] = arrays or {}
        return Result.from_json(json.loads(json.dumps(whole)))

    def arrays(self, result: Mapping) -> dict[str, np.ndarray]:
        return self._arrays.get(_key(result["settings"]), {})


def _key(settings: Mapping) -> str:
    return json.dumps(settings, sort_keys=True)
