"""Pickles from strangers are code. This reads those that hold data alone, and refuses the rest by name, unexecuted.

Admitted: numpy arrays and scalars of numbers and booleans, arrays of strings; Python's numbers, strings, bytes, None,
lists, tuples and dictionaries. Nothing else is looked up, so nothing else can be called; and numpy's own objects are
made only here, from checked parts: their `__setstate__` believes what it is told, sizes beyond the memory included.
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
            return _plain(_Unpickler(handle, encoding=encoding).load())
    except FileNotFoundError:
        raise UnreadablePickle(f"{file} does not exist") from None
    except _Refused as error:
        raise UnreadablePickle(
            f"{file} is refused: {error} in it; arrays, numbers and strings alone are read"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UnreadablePickle(f"{file}: truncated or not a pickle ({type(error).__name__}: {error})") from None


class _Refused(Exception):
    pass


_KINDS = "biufcSU"


class _DType:
    """Stands for numpy.dtype: the description, and of the state that follows it the byte order alone."""

    def __init__(self, description, *flags):
        if not isinstance(description, str):
            raise _Refused(f"a dtype of {description!r}")
        self.dtype = np.dtype(description)
        if self.dtype.kind not in _KINDS or self.dtype.hasobject:
            raise _Refused(f"an array of dtype {self.dtype}")

    def __setstate__(self, state):
        if any(part is not None for part in state[2:5]):
            raise _Refused(f"an array of a structured dtype {state[2:5]}")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray: its state is (version, shape, dtype, Fortran order, bytes)."""

    array = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        if isinstance(raw, str):
            raw = raw.encode("latin1")  # of Python 2, read with encoding="latin1"
        if not isinstance(raw, bytes):
            raise _Refused("an array of dtype object")
        self.array = np.frombuffer(raw, _checked(dtype)).reshape(shape, order="F" if fortran else "C").copy()


def _checked(dtype) -> np.dtype:
    if type(dtype) is not _DType:
        raise _Refused(f"a dtype that is a {type(dtype).__name__}")
    return dtype.dtype


_NDARRAY = object()  # numpy.ndarray itself: an argument of _reconstruct, of no use otherwise


def _reconstruct(subtype, shape, kind):
    if subtype is not _NDARRAY:
        raise _Refused("a subclass of numpy.ndarray")
    return _Array()


def _scalar(dtype, value):
    (found,) = np.frombuffer(value.encode("latin1") if isinstance(value, str) else value, _checked(dtype))
    return found


def _frombuffer(buffer, dtype, shape, order):
    found = _Array()
    found.array = np.frombuffer(bytes(buffer), _checked(dtype)).reshape(shape, order=order)
    return found


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the codec {encoding!r}")
    return text.encode("latin1")


def _bytes():
    """How protocols 0 to 2 write empty bytes: bytes()."""
    return b""


_ADMITTED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _DType,
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


def _plain(content):
    """The content with arrays in place of what stands for them. Raises _Refused for anything that is not admitted."""
    if type(content) is _Array and content.array is not None:
        return content.array
    if type(content) is dict:
        return {_plain(key): _plain(value) for key, value in content.items()}
    if type(content) in (list, tuple):
        return type(content)(_plain(item) for item in content)
    if content is None or isinstance(content, bool | int | float | complex | str | bytes | np.generic):
        return content
    raise _Refused(f"a {type(content).__name__}")
