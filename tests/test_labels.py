"""Labels are checked by their sha256 at every load: the real images under other labels are refused."""

import gzip
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbayes.data import fashion_mnist, idx, mnist
from deepbayes.data.checks import DataError, labels_sha256
from deepbayes.data.registry import DATASETS


def changed(labels, how: str):
    """Other labels with the same class counts, but for "shifted"."""
    if how == "shifted":
        return (labels + 1) % 10
    if how == "rolled":
        return np.roll(labels, 1)
    two = labels.copy()
    i, j = np.flatnonzero(labels == 3)[0], np.flatnonzero(labels == 8)[0]
    two[[i, j]] = two[[j, i]]
    return two


CHANGES = ("shifted", "rolled", "two exchanged")


@pytest.mark.parametrize("how", CHANGES)
def test_mnists_images_under_other_labels_are_refused(mnist_dir, tmp_path, how):
    with np.load(mnist_dir / "mnist.npz") as real:
        np.savez(tmp_path / "mnist.npz", x_test=real["x_test"], y_test=changed(real["y_test"], how))
    with pytest.raises(
        DataError, match=r"mnist\.npz: its labels are not those of MNIST's test part .*; images of your"
    ):
        mnist.load("test", tmp_path)


@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<u2"])
def test_labels_count_by_their_values(mnist_dir, tmp_path, dtype):
    with np.load(mnist_dir / "mnist.npz") as real:
        np.savez(tmp_path / "mnist.npz", x_test=np.asfortranarray(real["x_test"]), y_test=real["y_test"].astype(dtype))
    images, expected = mnist.load("test", tmp_path), mnist.load("test", mnist_dir)
    np.testing.assert_array_equal(images.y, expected.y)
    np.testing.assert_array_equal(images.x, expected.x)
    assert images.y.dtype == np.int64
    assert images.sha256 == mnist.SHA256["test"] == expected.sha256


@pytest.mark.parametrize("how", CHANGES)
def test_fashion_mnists_images_under_other_labels_are_refused(mnist_dir, tmp_path, how):
    source = fashion_mnist.find(mnist_dir)
    if source is None:
        pytest.skip("needs Fashion-MNIST: apt-get install dataset-fashion-mnist")
    folder = tmp_path / fashion_mnist.FOLDER
    folder.mkdir()
    for part in idx.FILES:
        for file in idx.files(source, part):
            (folder / file.name).symlink_to(file.resolve())
    _, labels = idx.files(folder, "test")
    raw = bytearray(gzip.decompress(labels.read_bytes()) if labels.suffix == ".gz" else labels.read_bytes())
    raw[8:] = changed(np.frombuffer(raw, np.uint8, offset=8), how).tobytes()
    labels.unlink()
    labels.write_bytes(raw)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.*: its labels are not those of Fashion-MNIST's test"):
        fashion_mnist.load("test", tmp_path)


@pytest.mark.parametrize(("name", "part"), [(n, p) for n in ("mnist", "fashion_mnist") for p in ("train", "test")])
def test_the_real_labels_pass_and_have_the_described_number(mnist_dir, name, part):
    if name == "fashion_mnist" and fashion_mnist.find(mnist_dir) is None:
        pytest.skip("needs Fashion-MNIST: apt-get install dataset-fashion-mnist")
    images, information = DATASETS[name].load(part, mnist_dir), DATASETS[name]
    assert len(images) == (information.training_images if part == "train" else information.test_images)


def test_the_encoding_of_labels_is_little_endian_int64():
    assert labels_sha256([1, 2]) == labels_sha256(np.array([1, 2], ">i2"))
    expected = hashlib.sha256(bytes([1, *[0] * 7, 44, 1, *[0] * 6])).hexdigest()
    assert labels_sha256(np.array([1, 300])) == expected


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.data())
def test_any_other_label_gives_another_sha256(labels, data):
    other = list(labels)
    k = data.draw(st.integers(0, len(labels) - 1))
    other[k] += data.draw(st.integers(1, 256))
    assert labels_sha256(other) != labels_sha256(labels)
    assert labels_sha256([*labels, 0]) != labels_sha256(labels)
