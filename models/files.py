"""Files that are whole or not there: atomic writes, and readers that name what is wrong."""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np


class FileError(ValueError):
    """A file is missing or damaged; the message names it and the cure."""


@contextlib.contextmanager
def atomic(path: Path):
    """A temporary file beside `path` that takes its place only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: dict) -> None:
    """Writes JSON with an indent of one, each array of whole numbers on one line."""
    text = json.dumps(content, indent=1)
    with atomic(path) as temporary:
        temporary.write_text(_ARRAY.sub(_on_one_line, text) + "\n")


_ARRAY = re.compile(r"\[\n([-\d,\s]+)\]")
"""An array of whole numbers as `json.dumps` indents it: in strings a line break is escaped, so no string matches."""


def _on_one_line(array: re.Match) -> str:
    return "[" + re.sub(r"\s+", "", array[1]) + "]"


def read_json(path: Path) -> dict:
    """Raises FileError: missing, or not a JSON object."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise FileError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path} is damaged ({error})") from None
    if not isinstance(content, dict):
        raise FileError(f"{path} is damaged (not a JSON object)")
    return content


def write_arrays(path: Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> None:
    with atomic(path) as temporary, open(temporary, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz, checked by its CRCs, never unpickled. Raises FileError: missing or damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise FileError(f"{path} does not exist") from None
    except _UNREADABLE as error:
        raise FileError(f"{path} is damaged ({error})") from None


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error,
    RuntimeError,  # a damaged header may promise a password, or a compression that nobody has
)  # fmt: skip
