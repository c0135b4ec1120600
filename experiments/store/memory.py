"""A results store that keeps nothing on disk: for scripts and notebooks."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class MemoryStore:
    """Results of one call, as ResultsStore gives them."""

    _arrays: dict[int, dict] = field(default_factory=dict)

    def read(self, settings: dict) -> None:
        """Nothing is found again."""

    def partial(self, settings: dict) -> None:
        """Nothing is kept of unfinished work."""

    def write(self, settings: dict, content: dict, arrays: dict | None = None) -> dict[str, Any]:
        result = {"settings": settings} | content
        self._arrays[id(settings)] = arrays or {}
        return result

    def arrays(self, result: dict) -> dict:
        return self._arrays.get(id(result["settings"]), {})
