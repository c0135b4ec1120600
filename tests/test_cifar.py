"""CIFAR-binary: the real batches where they are at hand; elsewhere a made-up CIFAR-10 in the public layout."""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from deepbayes.data import plane_frog
from deepbayes.data.checks import DataError, NotAtHand, labels_sha256

ARCHIVE = "cifar-10-python.tar.gz"


@pytest.fixture(autouse=True)
def server(tmp_path, monkeypatch) -> Path:
    """A folder in place of the University of Toronto's, and an empty cache of Keras's."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(plane_frog, "URL", f"file://{folder}/{ARCHIVE}")
    return folder


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> Path:
    """A folder of batches that are taken for the published ones; every pixel of an image says its label."""
    folder = tmp_path / "made" / plane_frog.FOLDER
    folder.mkdir(parents=True)
    random, sha1 = np.random.default_rng(0), {}
    for part, per_class in (("train", 50), ("test", 10)):
        labels = random.permutation(np.repeat(np.arange(10), per_class))
        files = plane_frog.FILES[part]
        for name, y in zip(files, np.array_split(labels, len(files)), strict=True):
            write(folder / name, y)
            rows = np.repeat(y[:, None].astype(np.uint8), 3073, axis=1)
            sha1[name] = hashlib.sha1(rows.tobytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(plane_frog, "SHA1", sha1)
    return folder


def write(file: Path, y, **changes):
    pixels = np.repeat(np.asarray(y)[:, None].astype(np.uint8), 3072, axis=1)
    file.write_bytes(pickle.dumps({"data": pixels, "labels": [int(c) for c in y]} | changes))


def read(file: Path) -> dict:
    return pickle.loads(file.read_bytes())


def pack(server: Path, monkeypatch, content: Path | None, **members: bytes):
    """The archive on the server, known by its MD5."""
    with tarfile.open(server / ARCHIVE, "w:gz") as archive:
        if content:
            archive.add(content, plane_frog.FOLDER)
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    md5 = hashlib.md5((server / ARCHIVE).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(plane_frog, "ARCHIVE_MD5", md5)


# ---- what it holds ----


def test_the_real_batches_are_cifar_10s_however_they_were_pickled():
    folder = Path(os.environ.get("DEEPBAYES_DATA", "nowhere"))
    if not (folder / plane_frog.FOLDER / "test_batch").exists():
        pytest.skip(f"needs CIFAR-10: set DEEPBAYES_DATA to a folder with {plane_frog.FOLDER}/")
    images = plane_frog.load("test", folder)
    assert images.x.shape == (2000, 32, 32, 3)
    assert np.bincount(images.y).tolist() == [1000, 1000]
    assert images.sha256 == "d5550765a617ec5043a08007192384ec6aed745883a4250d8ddcca09b1e0fbfb"
    assert labels_sha256(images.y) == "4d31423430bd62ef9e1efb997fe3b8bfc3a18919b1dfdd3ae7195dd533a84ce5"


def test_plane_frog_takes_airplanes_and_frogs_in_2019s_order(cifar):
    images = plane_frog.load("test", cifar.parent)
    assert images.x.shape == (20, 32, 32, 3)
    np.testing.assert_array_equal(np.rint(images.x[:, 0, 0, 0] * 255), np.where(images.y == 0, 0, 6))
    first = np.random.RandomState(0)
    first.permutation(100)  # the training part's comes first
    np.testing.assert_array_equal(images.y, (first.permutation(20) >= 10).astype(int))


def test_each_batch_is_opened_once(cifar, monkeypatch):
    opened, usual = [], io.open
    monkeypatch.setattr(
        "builtins.open", lambda file, *a, **k: (opened.append(Path(file).name), usual(file, *a, **k))[1]
    )
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: pytest.fail(f"{self} is read another time"))
    plane_frog.load("test", cifar)
    assert sorted(opened) == sorted(plane_frog.SHA1)


# ---- what is refused ----


def test_a_cifar_batch_that_is_code_does_nothing(cifar, tmp_path):
    trace = tmp_path / "trace"

    class Malicious:
        def __reduce__(self):
            return (trace.write_text, ("ran",))

    (cifar / "test_batch").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(DataError, match=r"test_batch is refused: "):
        plane_frog.load("test", cifar.parent)
    assert not trace.exists()


OTHERS = {
    "labels shifted by one": lambda b: {"labels": [(c + 1) % 10 for c in b["labels"]]},
    "one pixel": lambda b: {"data": b["data"] ^ np.eye(*b["data"].shape, dtype=np.uint8)},
    "pixels of another type": lambda b: {"data": b["data"].astype(np.int64)},
    "no labels": lambda b: {"labels": None},
    "huge labels": lambda b: {"labels": [2**70]},
    "fewer labels": lambda b: {"labels": b["labels"][1:]},
    "a table of labels": lambda b: {"labels": [[c] for c in b["labels"]]},
    "pixels that are a number": lambda b: {"data": 5},
    "pixels that are text": lambda b: {"data": "abc"},
}


@pytest.mark.parametrize("change", OTHERS)
def test_other_batches_are_refused_with_file_and_cure(cifar, change):
    batch = read(cifar / "test_batch")
    (cifar / "test_batch").write_bytes(pickle.dumps(batch | OTHERS[change](batch)))
    with pytest.raises(DataError) as error:
        plane_frog.load("test", cifar)
    told = str(error.value)
    assert told.startswith(f"{cifar}/test_batch: ")
    assert "; unpack cifar-10-python.tar.gz again, or point --data-dir" in told
    assert "delete" not in told


def test_what_was_hashed_is_what_is_used(cifar):
    """As bytes, labels that are 256 too large are the published ones."""
    before, batch = plane_frog.load("test", cifar), read(cifar / "test_batch")
    (cifar / "test_batch").write_bytes(pickle.dumps(batch | {"labels": [c + 256 for c in batch["labels"]]}))
    after = plane_frog.load("test", cifar)
    np.testing.assert_array_equal(before.y, after.y)
    np.testing.assert_array_equal(before.x, after.x)


def test_damaged_or_incomplete_cifar_is_named(cifar):
    (cifar / "data_batch_2").write_bytes((cifar / "data_batch_1").read_bytes())
    with pytest.raises(DataError, match=r"data_batch_2: its images or labels are not those of CIFAR-10 .*; unpack"):
        plane_frog.load("test", cifar)
    batch = cifar / "data_batch_1"
    batch.write_bytes(batch.read_bytes()[:500])
    with pytest.raises(DataError, match="data_batch_1: truncated"):
        plane_frog.load("test", cifar)
    batch.unlink()
    with pytest.raises(DataError, match="data_batch_1 does not exist; unpack"):
        plane_frog.load("test", cifar)


# ---- where it is looked for, and the download ----


@pytest.mark.parametrize("folder", [plane_frog.FOLDER, f"{plane_frog.FOLDER}-target/{plane_frog.FOLDER}"])
def test_kerass_cache_is_looked_into(cifar, tmp_path, folder):
    """Keras 2 unpacked CIFAR-10 to the first, Keras 3 unpacks it to the second."""
    kept = tmp_path / "keras" / "datasets" / folder
    kept.parent.mkdir(parents=True)
    cifar.rename(kept)
    assert plane_frog.find(None) == plane_frog.find(tmp_path) == kept
    assert len(plane_frog.load("test", None)) == 20


@pytest.mark.parametrize("named", [True, False])
def test_a_download_is_unpacked_where_it_is_looked_for(cifar, server, tmp_path, monkeypatch, named):
    pack(server, monkeypatch, cifar, **{f"{plane_frog.FOLDER}/readme.html": b"about"})
    own = tmp_path / "own"
    data_dir, expected = (own, own) if named else (None, tmp_path / "keras" / "datasets")
    assert len(plane_frog.load("train", data_dir)) == 100
    assert plane_frog.find(data_dir) == expected / plane_frog.FOLDER
    assert sorted(f.name for f in expected.iterdir()) == [plane_frog.FOLDER, ARCHIVE]
    (server / ARCHIVE).unlink()
    assert len(plane_frog.load("test", data_dir)) == 20


def test_an_unreachable_download_says_what_to_do(tmp_path):
    with pytest.raises(NotAtHand) as error:
        plane_frog.load("test", tmp_path / "own")
    told = str(error.value)
    assert told.startswith("CIFAR-10, which plane_frog needs, is not at hand and file://")
    assert told.endswith(f"and name the folder that holds {plane_frog.FOLDER}/ by --data-dir or DEEPBAYES_DATA")
    assert "\n" not in told
    assert plane_frog.find(tmp_path / "own") is None


def test_an_archive_of_another_md5_is_not_unpacked(cifar, server, tmp_path, monkeypatch):
    pack(server, monkeypatch, cifar)
    monkeypatch.setattr(plane_frog, "ARCHIVE_MD5", "0" * 32)
    with pytest.raises(NotAtHand, match=r"cannot be fetched \(Incomplete or corrupted file detected"):
        plane_frog.load("test", tmp_path)
    assert plane_frog.find(tmp_path) is None


def test_an_archive_that_reaches_outside_is_refused(cifar, server, tmp_path, monkeypatch):
    pack(server, monkeypatch, cifar, **{"../../outside": b"x"})
    own = tmp_path / "own"
    with pytest.raises(NotAtHand, match="cannot be unpacked"):
        plane_frog.load("test", own)
    assert [f.name for f in own.iterdir()] == [ARCHIVE]
    assert not list(tmp_path.rglob("outside"))


def test_an_archive_of_something_else_is_named(server, tmp_path, monkeypatch):
    pack(server, monkeypatch, None, readme=b"x")
    with pytest.raises(NotAtHand, match="cannot be unpacked"):
        plane_frog.load("test", tmp_path / "own")
