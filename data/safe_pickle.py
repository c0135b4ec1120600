"""Pickles from strangers are code. This reads those that hold data alone, and refuses the rest by name, unexecuted.

Admitted: numpy arrays and scalars of numbers, booleans and strings; Python's numbers, strings, bytes, None, lists,
tuples and dictionaries. Nothing else is looked up, so nothing else can be called.
"""

import pickle
from pathlib import Path

import numpy as np


class UnreadablePickle(ValueError):
    """The file is missing, truncated, no pickle, or holds something that is not admitted."""


def load(file: Path, encoding: str = "ASCII"):
    """What the pickle holds.

    Args:
      encoding: of Python 2's byte strings; "latin1" for CIFAR-10's batches.

    Raises:
      UnreadablePickle: see there; the message names the file and what was refused.
    """
    try:
        with open(file, "rb") as handle:
            content = _Unpickler(handle, encoding=encoding).load()
        _check(content, set())
    except FileNotFoundError:
        raise UnreadablePickle(f"{file} does not exist") from None
    except _Refused as error:
        raise UnreadablePickle(
            f"{file} is refused: {error} in it; arrays, numbers and strings alone are read"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UnreadablePickle(f"{file}: truncated or not a pickle ({type(error).__name__}: {error})") from None
    return content


class _Refused(Exception):
    pass


_ARRAY = object()  # stands for numpy.ndarray: an argument of _reconstruct, of no use otherwise


def _dtype(description, *flags):
    found = np.dtype(description, *flags)  # with numpy's flags a copy, which then takes the byte order
    if found.kind not in "biufcSU":
        raise _Refused(f"an array of dtype {found}")
    return found


def _reconstruct(subtype, shape, kind):
    if subtype is not _ARRAY:
        raise _Refused("a subclass of numpy.ndarray")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _scalar(dtype, value):
    return np.frombuffer(value, dtype)[0]


def _frombuffer(buffer, dtype, shape, order):
    return np.frombuffer(bytes(buffer), dtype).reshape(shape, order=order)


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the codec {encoding!r}")
    return text.encode("latin1")


def _bytes():
    """How protocols 0 to 2 write empty bytes: bytes()."""
    return b""


_ADMITTED = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _bytes,
} | {
    (f"numpy.{core}.{module}", name): function
    for core in ("core", "_core")
    for module, name, function in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _frombuffer),
    )
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def persistent_load(self, identity):
        raise _Refused(f"the persistent object {identity!r}")


_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def _check(content, seen: set[int]) -> None:
    """Raises _Refused for anything but admitted objects, object arrays among them."""
    if isinstance(content, np.ndarray):
        if content.dtype.kind not in "biufcSU":
            raise _Refused(f"an array of dtype {content.dtype}")
    elif type(content) in (list, tuple, dict):
        if id(content) not in seen:
            seen.add(id(content))
            for item in (*content, *content.values()) if isinstance(content, dict) else content:
                _check(item, seen)
    elif not isinstance(content, _PLAIN):
        raise _Refused(f"a {type(content).__name__}")
