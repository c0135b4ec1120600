"""Files that promise more than they may hold: they are refused before anything of the promised size is read or made."""

import gzip
import math
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbayes.data import idx, mnist
from deepbayes.data.checks import DataError
from deepbayes.experiments.command_line import main

MOST = 30e6
"""Bytes that reading a test part of 7.84 MB may take."""


@contextmanager
def refused(message: str):
    """A DataError of one line, within the memory allowed."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as error:
            yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST
    assert "\n" not in str(error.value)


def idx_file(shape, body=b"", kind=8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + np.array(shape, ">i4").tobytes() + body


def npy(description: str, body=b"", version=1) -> bytes:
    length = len(description).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + description.encode() + body


def description(shape, dtype="'|u1'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n"


ZEROS = gzip.compress(bytes(10_000_000))
"""A member of a gzip file, which may have any number."""


IDX = {
    "negative sizes": (idx_file((-1, 28, 28)), r"array of shape \(-1, 28, 28\), not \(10000, 28, 28\)"),
    "negative sizes whose product fits": (idx_file((-10_000, -28, 28)), "shape"),
    "sizes beyond the memory": (idx_file((2**31 - 1,) * 3), r"shape \(2147483647, 2147483647, 2147483647\)"),
    "255 dimensions": (idx_file((1,) * 255), "shape"),
    "one dimension": (idx_file((7_840_000,), bytes(7_840_000)), r"shape \(7840000,\)"),
    "no dimension": (idx_file(()), r"shape \(\)"),
    "dimensions without sizes": (idx_file((10_000, 28, 28))[:9], "not an idx file"),
    "empty": (b"", "not an idx file"),
    "something else": (b"no idx", "not an idx file"),
    "another type": (idx_file((10_000, 28, 28), kind=9), "not an idx file"),
    "truncated": (idx_file((10_000, 28, 28), bytes(9)), r"truncated, 9 bytes or more of 7840000"),
    "too long": (idx_file((10_000, 28, 28), bytes(7_840_002)), "too long"),
    "a gzip bomb": (gzip.compress(idx_file((10_000, 28, 28))) + 50 * ZEROS, "too long"),
    "a damaged gzip file": (gzip.compress(idx_file((10_000, 28, 28), bytes(7_840_000)))[:-8], "truncated or not gzip"),
    "gzip's first bytes": (b"\x1f\x8b", "truncated or not gzip"),
}


@pytest.mark.parametrize("damage", IDX)
def test_idx_files_are_bounded(tmp_path, damage):
    content, message = IDX[damage]
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(content)
    with refused(rf"t10k-images-idx3-ubyte\.gz: .*{message}"):
        idx.read_file(file, idx.SHAPES["test"])


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(DataError, match="Is a directory"):
        idx.read_file(tmp_path, (1,))


@given(st.binary(max_size=60), st.tuples(st.integers(0, 5), st.integers(0, 5)), st.booleans())
@settings(max_examples=200, deadline=None)
def test_bytes_at_random_are_an_array_of_the_shape_or_an_error(tmp_path_factory, content, shape, well_begun):
    file = tmp_path_factory.getbasetemp() / "random"
    file.write_bytes(idx_file(shape, content) if well_begun else content)
    try:
        found = idx.read_file(file, shape)
    except DataError:
        assert not well_begun or len(content) != math.prod(shape)
    else:
        assert (found.shape, found.tobytes()) == (shape, content)


NPZ = {
    "4 TB": (
        npy(description((10_000, 20_000, 20_000))),
        r"x_test is uint8 of shape \(10000, 20000, 20000\), not uint8",
    ),
    "4 TB of images of the right shape": (npy(description((5_000_000_000, 28, 28))), r"\(5000000000, 28, 28\)"),
    "a negative size": (npy(description((-10_000, 28, 28))), r"shape \(-10000, 28, 28\)"),
    "wide items": (npy(description((10_000, 28, 28), "'|V1000000'")), r"of shape \(10000, 28, 28\), not uint8"),
    "objects": (npy(description((10_000, 28, 28), "'|O'")), "x_test is object"),
    "a long description": (npy("{" + " " * 60_000_000 + "}", version=2), "truncated, or not"),
    "a description that is code": (npy("__import__('os').abort()\n"), "truncated, or not"),
    "a deep description": (npy("(" * 4_000 + ")" * 4_000), "truncated, or not"),
    "a version to come": (npy(description((10_000, 28, 28)), version=9), "truncated, or not"),
    "a short body": (npy(description((10_000, 28, 28)), bytes(9)), "does not have the 7840000 bytes that it declares"),
    "a long body": (npy(description((10_000, 28, 28)), bytes(60_000_000)), "does not have the 7840000 bytes"),
    "no array": (b"no array", "truncated, or not"),
}


def write_npz(folder, content: bytes):
    with zipfile.ZipFile(folder / "mnist.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x_test.npy", content)


@pytest.mark.parametrize("damage", NPZ)
def test_npz_files_are_bounded(tmp_path, damage):
    content, message = NPZ[damage]
    write_npz(tmp_path, content)
    with refused(rf"mnist\.npz: .*{message}"):
        mnist.load("test", tmp_path)


@pytest.mark.parametrize("damage", ["4 TB", "a long body"])
def test_a_command_tells_it_in_one_line_and_writes_nothing(tmp_path, capsys, damage):
    write_npz(tmp_path, NPZ[damage][0])
    output = tmp_path / "results"
    assert main.main(["fgsm", "--dataset", "mnist", "--data-dir", str(tmp_path), "--output", str(output)]) == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.startswith(f"error: {tmp_path}/mnist.npz: truncated, or not the mnist.npz of keras.datasets (x_test ")
    assert "--data " in error
    assert not output.exists()
