import hashlib
import io
import itertools
import os
import re
import struct
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepbayes.data.checks import DataError, check_images
from deepbayes.data.own import image_file, parts, read
from deepbayes.data.own.dataset import PREFIX, dataset_name, own_dataset
from deepbayes.data.own.image_file import decode
from deepbayes.data.own.options import OwnDataOptions, Unreadable, shown
from deepbayes.data.own.picture import resized
from deepbayes.data.registry import DATASETS

DEFAULT = OwnDataOptions()
PLENTY = 30  # images a class: enough for both parts


def pixels(seed: int, shape=(4, 5), dtype=np.uint8, high=256):
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def save(file: Path, array, **options) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(file, **options)
    return file


def folder(root: Path, classes=("cat", "dog"), n=PLENTY, suffix=".png", **how) -> Path:
    """n images of each class, all different."""
    for c, name in enumerate(classes):
        for i in range(n):
            save(root / name / f"{i:03}{suffix}", pixels(1000 * c + i, **how))
    return root


def arrays(file: Path, **changes) -> Path:
    x = pixels(0, (2 * PLENTY, 4, 5))
    content = {"x": x, "y": np.arange(2 * PLENTY) % 2} | changes
    np.savez(file, **{name: value for name, value in content.items() if value is not None})
    return file


def refused(source, message: str, options=DEFAULT) -> str:
    """The message of the refusal, seen to be one line."""
    with pytest.raises(DataError, match=message) as error:
        own_dataset(source, options)
    assert str(error.value).isprintable()
    return str(error.value)


def outcome(function, *arguments):
    """What the function returns and "", or None and the message of its refusal."""
    try:
        return function(*arguments), ""
    except DataError as error:
        return None, str(error)


def png_of_16_bits(file: Path, array) -> Path:
    """A colour PNG of 16 bits a channel, which Pillow cannot write: (H, W, 3) uint16."""
    height, width, _ = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    return file


# ---- what comes out ----


def test_class_folders_become_a_data_set(tmp_path):
    data = own_dataset(folder(tmp_path / "pets"), DEFAULT)
    assert (data.name, data.shape, data.classes) == ("own_pets", (4, 5, 1), ("cat", "dog"))
    assert (data.train.name, data.test.name) == ("own_pets/train", "own_pets/test")
    for images in (data.train, data.test):
        check_images(images.x, images.y, shape=data.shape, classes=2, source="")
        assert images.x.dtype == np.float32
        assert images.y.dtype == images.index.dtype == np.int64
        stored = np.rint(images.x * 255).astype(np.uint8)
        assert images.sha256 == hashlib.sha256(stored.tobytes()).hexdigest()
    everything = {a.tobytes() for a in np.concatenate([data.train.x, data.test.x])}
    wanted = {(pixels(1000 * c + i)[..., None] / np.float32(255)).tobytes() for c in (0, 1) for i in range(PLENTY)}
    assert everything == wanted
    assert data.summary == (
        f"own_pets: 4 x 5 grey, 2 classes, {len(data.train)} training and {len(data.test)} test images"
    )


def test_labels_follow_the_folders_sorted_names_and_have_a_hash_of_their_own(tmp_path):
    data = own_dataset(folder(tmp_path / "b", ("zebra", "ant")), DEFAULT)
    assert data.classes == ("ant", "zebra")
    ants = {pixels(1000 + i).tobytes() for i in range(PLENTY)}
    for part, images in (("train", data.train), ("test", data.test)):
        is_ant = [np.rint(x * 255).astype(np.uint8).tobytes() in ants for x in images.x]
        np.testing.assert_array_equal(images.y, np.where(is_ant, 0, 1))
        assert data.labels_sha256[part] == hashlib.sha256(images.y.astype("<i8").tobytes()).hexdigest()


def test_labels_shifted_by_one_have_the_same_pixels_and_another_hash(tmp_path):
    y = np.arange(2 * PLENTY) % 2
    right, shifted = (own_dataset(arrays(tmp_path / "a.npz", y=labels), DEFAULT) for labels in (y, np.roll(y, 1)))
    assert right.train.sha256 == shifted.train.sha256
    assert right.labels_sha256["train"] != shifted.labels_sha256["train"]
    assert right.labels_sha256["test"] != shifted.labels_sha256["test"]


def test_train_and_test_folders_are_kept_as_they_are(tmp_path):
    for part, seed in (("train", 0), ("test", 50)):
        for c in (0, 1):
            for i in range(3):
                save(tmp_path / part / f"c{c}" / f"{i}.png", pixels(seed + 10 * c + i))
    (tmp_path / "val").mkdir()
    data = own_dataset(tmp_path, DEFAULT)
    assert (len(data.train), len(data.test), data.facts.ignored) == (6, 6, 1)
    np.testing.assert_array_equal(data.test.x[0, ..., 0] * 255, pixels(50))


def test_nested_folders_other_files_and_hidden_ones(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "cat" / "deep" / "er" / "x.PNG", pixels(77))
    for name in ("cat/notes.txt", "cat/.hidden.png", "loose.png", "dog/.cache/a.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no image")
    (root / ".git").mkdir()
    data = own_dataset(root, DEFAULT)
    assert len(data.train) + len(data.test) == 2 * PLENTY + 1
    assert data.facts.ignored == 5
    assert data.summary.endswith("; 5 other files or folders ignored")


def test_a_link_back_to_the_folder_does_not_end_in_a_circle(tmp_path):
    root = folder(tmp_path / "d")
    (root / "cat" / "again").symlink_to(root)
    assert own_dataset(root, DEFAULT).facts.ignored == 1


def test_progress_counts_every_image(tmp_path):
    for source in (folder(tmp_path / "d"), arrays(tmp_path / "a.npz")):
        calls = []
        own_dataset(source, DEFAULT, calls.append)
        assert sum(calls) == 2 * PLENTY


@pytest.mark.parametrize(
    ("source", "name"),
    [("pets", r"own_pets"), ("pets.npz", r"own_pets"), ("mnist", r"own_mnist"), ("a-b_2", "own_a-b_2"),
     ("my pets", r"own_my_pets-[0-9a-f]{6}"), ("../..", r"own_.*"), ("[red]\n$x", r"own__red___x-[0-9a-f]{6}"),
     ("猫", r"own__-[0-9a-f]{6}"), ("x" * 200, r"own_x{40}-[0-9a-f]{6}"), ("/", r"own_-[0-9a-f]{6}")],
)  # fmt: skip
def test_names_are_safe_for_paths_and_of_no_other_data_set(source, name):
    assert re.fullmatch(name, dataset_name(Path(source)))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", dataset_name(Path(source)))
    assert not any(known.startswith(PREFIX) for known in DATASETS)
    assert dataset_name(Path("猫")) != dataset_name(Path("犬"))


def test_odd_class_names_are_text(tmp_path):
    data = own_dataset(folder(tmp_path / "d", ("[red]", "a\nb\x1b[31m", "$HOME")), DEFAULT)
    assert data.classes == ("$HOME", "[red]", r"a\nb\x1b[31m")
    odd = os.fsdecode(b"\xff\xfe")
    assert shown(odd) == r"\udcff\udcfe"


# ---- parts, copies, positions ----


def parts_of(data) -> dict[bytes, str]:
    return {x.tobytes(): part for part, i in (("train", data.train), ("test", data.test)) for x in i.x}


def test_the_split_is_one_in_five_by_the_pixels_hash():
    digests = [hashlib.sha256(str(i).encode()).digest() for i in range(20_000)]
    share = np.mean([parts.part_of(d) == "test" for d in digests])
    assert abs(share - 0.2) < 0.01  # 3.5 standard deviations
    edge = parts.TEST_BELOW.to_bytes(8, "big")
    assert parts.part_of((parts.TEST_BELOW - 1).to_bytes(8, "big")) == "test"
    assert parts.part_of(edge) == "train"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=40), st.randoms())
def test_files_added_move_no_image_and_change_no_position(tmp_path_factory, seeds, random):
    file = tmp_path_factory.mktemp("grown") / "a.npz"
    before = own_dataset(arrays(file), DEFAULT)
    with np.load(file) as stored:
        x, y = stored["x"], stored["y"]
    new = [pixels(20_000 + seed) for seed in seeds]
    rows = [*zip(x, y, strict=True), *((image, random.randrange(2) if seeds.count(s) == 1 else 0)
            for s, image in zip(seeds, new, strict=True))]  # fmt: skip
    random.shuffle(rows)
    after = own_dataset(arrays(file, x=np.stack([r[0] for r in rows]), y=np.array([r[1] for r in rows])), DEFAULT)
    assert parts_of(after).items() >= parts_of(before).items()
    for old, grown in ((before.train, after.train), (before.test, after.test)):
        where = {x.tobytes(): i for x, i in zip(grown.x, grown.index, strict=True)}
        assert [where[x.tobytes()] for x in old.x] == old.index.tolist()
    assert len(parts_of(after)) == 2 * PLENTY + len(set(seeds)) == len(after.train) + len(after.test)
    assert after.facts.dropped == len(seeds) - len(set(seeds))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([None, 1, 2, (2, 3)]), st.sampled_from([None, "grey", "rgb"]))
def test_copies_never_straddle_the_parts_whatever_the_size_and_colour(tmp_path_factory, seed, size, colour):
    x = pixels(seed, (300, 2, 3), high=2)  # few kinds, so that many are copies, more after shrinking
    file = arrays(tmp_path_factory.mktemp("copies") / "a.npz", x=x * 255, y=(x[:, 0, 0] | x[:, 1, 2]).astype(int))
    data, message = outcome(own_dataset, file, OwnDataOptions(image_size=size, colour=colour))
    if message:  # shrunk to one shade, two classes may meet, or a class run out of images
        assert "are the same image" in message or "has no" in message
        return
    train, test = ({a.tobytes() for a in images.x} for images in (data.train, data.test))
    assert not train & test
    assert len(train) + len(test) == len(data.train) + len(data.test) == 300 - data.facts.dropped


def test_copies_in_a_class_are_dropped_and_counted_whatever_the_format(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "cat" / "copy.bmp", pixels(3))
    save(root / "cat" / "copy-in-rgb.png", np.repeat(pixels(3)[..., None], 3, -1))
    data = own_dataset(root, DEFAULT)
    assert (data.facts.dropped, data.facts.leaked) == (2, 0)
    assert "; 2 copies dropped" in data.summary
    assert parts_of(data) == parts_of(own_dataset(folder(tmp_path / "e"), DEFAULT))


def test_a_copy_in_two_classes_names_both_files(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "dog" / "stray.png", pixels(3))
    assert "dog/stray.png" in refused(root, r"cat/003\.png and .*are the same image, in two classes; remove")


def test_a_training_image_that_is_a_test_image_too_stays_for_testing(tmp_path):
    x = pixels(0, (8, 4, 5))
    content = {"x_train": x[:5], "y_train": [0, 1, 0, 1, 0], "x_test": x[4:], "y_test": [0, 1, 0, 1]}
    data = own_dataset(arrays(tmp_path / "a.npz", x=None, y=None, **content), DEFAULT)
    assert (len(data.train), len(data.test), data.facts.dropped, data.facts.leaked) == (4, 4, 1, 1)
    assert "1 of them training images that are test images too" in data.summary


def test_part_and_position_do_not_depend_on_the_options(tmp_path):
    root = folder(tmp_path / "d", shape=(6, 6))
    plain = own_dataset(root, DEFAULT)
    for options in ({"image_size": 3}, {"colour": "rgb"}, {"value_range": (0, 100)}):
        other = own_dataset(root, OwnDataOptions(**options))
        np.testing.assert_array_equal(other.train.index, plain.train.index)
        np.testing.assert_array_equal(other.test.index, plain.test.index)
        assert other.train.sha256 != plain.train.sha256


@given(st.lists(st.binary(min_size=2, max_size=2), unique=True, max_size=30), st.randoms())
def test_positions_are_distinct_and_the_same_in_any_order(ends, random):
    digests = [b"\0" * 8 + e[:1] * 4 + e * 10 for e in ends]  # the first words meet often
    found = parts.positions(digests)
    assert len(set(found.tolist())) == len(digests)
    assert found.dtype == np.int64
    assert all(0 <= p < 2**31 for p in found)
    order = random.sample(range(len(digests)), len(digests))
    np.testing.assert_array_equal(parts.positions([digests[i] for i in order]), found[order])
    for digest, position in zip(digests, found, strict=True):
        if sum(d[8:12] == digest[8:12] for d in digests) == 1 and not any(
            int.from_bytes(d[12:16], "big") & 0x7FFFFFFF == position for d in digests if d != digest
        ):
            assert position == int.from_bytes(digest[8:12], "big") & 0x7FFFFFFF


# ---- --group ----


def test_a_group_is_on_one_side(tmp_path):
    for c, i in itertools.product((0, 1), range(120)):
        save(tmp_path / f"c{c}" / f"patient{i // 4:02}_{i % 4}.png", pixels(1000 * c + i))
    data = own_dataset(tmp_path, OwnDataOptions(group=r"patient(\d+)_"))
    side = {}
    for c, i in itertools.product((0, 1), range(120)):
        part = parts_of(data)[(pixels(1000 * c + i)[..., None] / np.float32(255)).tobytes()]
        assert side.setdefault(i // 4, part) == part
    assert set(side.values()) == {"train", "test"}
    assert parts_of(data) != parts_of(own_dataset(tmp_path, DEFAULT))


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (r"patient(\d+)", r"names no patient for 60 of 60 images, such as cat/000\.png; mend the expression"),
        (r"cat/(\d+)", r"names no patient for 30 of 60 images, such as dog/000\.png"),
        (r"(x?)", "names no patient for 60 of 60"),
        (r"\d+", r"has 0 groups; put one \(\.\.\.\)"),
        (r"(\d)(\d)", "has 2 groups"),
        (r"(\d", "not a regular expression"),
    ],
)
def test_groups_that_do_not_fit_are_refused(tmp_path, group, message):
    refused(folder(tmp_path / "d"), message, OwnDataOptions(group=group))


def test_groups_across_parts_or_sharing_an_image_are_refused(tmp_path):
    by_name = OwnDataOptions(group=r"(p\d+)_")
    for i, part in enumerate(("train", "test")):
        for c in (0, 1):
            save(tmp_path / "a" / part / f"c{c}" / f"p{c}_{i}.png", pixels(10 * i + c))
    refused(tmp_path / "a", r"p0 is in both parts \(.*train/c0/p0_0\.png, .*test/c0/p0_1\.png\)", by_name)
    for name in ("p1_a", "p2_b"):
        save(tmp_path / "b" / "c" / f"{name}.png", pixels(0))
    refused(tmp_path / "b", "are the same image, in two patients; remove", by_name)
    refused(arrays(tmp_path / "a.npz"), "--group reads file names, and an .npz has none", by_name)


# ---- formats ----


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".pgm", ".gif", ".PNG"])
def test_grey_formats_come_back_to_the_bit(tmp_path, suffix):
    decoded, is_rgb = decode(save(tmp_path / f"a{suffix}", pixels(0)), None)
    np.testing.assert_array_equal(decoded, pixels(0))
    assert decoded.dtype == np.uint8
    assert not is_rgb or suffix == ".gif"


@pytest.mark.parametrize(("suffix", "how"), [(".png", {}), (".bmp", {}), (".tif", {"compression": "tiff_lzw"}),
                                             (".ppm", {}), (".webp", {"lossless": True})])  # fmt: skip
def test_colour_formats_come_back_to_the_bit(tmp_path, suffix, how):
    decoded, is_rgb = decode(save(tmp_path / f"a{suffix}", pixels(0, (4, 5, 3)), **how), None)
    np.testing.assert_array_equal(decoded, pixels(0, (4, 5, 3)))
    assert is_rgb


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpegs_are_read(tmp_path, suffix):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    decoded, _ = decode(save(tmp_path / f"a{suffix}", smooth, quality=95), None)
    assert np.abs(decoded.astype(int) - smooth).max() < 8


def test_the_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    decoded, _ = decode(save(tmp_path / "a.png", pixels(0), exif=exif), None)
    np.testing.assert_array_equal(decoded, np.rot90(pixels(0), -1))


def test_palettes_one_bit_and_the_first_frame(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    np.testing.assert_array_equal(decode(save(tmp_path / "p.png", palette), None)[0], [[[255, 0, 0], [0, 0, 255]]])
    np.testing.assert_array_equal(decode(save(tmp_path / "1.png", np.array([[True, False]])), None)[0], [[255, 0]])
    frames = [Image.fromarray(pixels(i)) for i in (1, 2)]
    save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(tmp_path / "a.gif", None)[0], pixels(1))
    save(tmp_path / "a.tif", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="a TIFF of 2 pages; save each page"):
        decode(tmp_path / "a.tif", None)


# ---- size and colour ----


def test_images_of_several_sizes_need_a_size(tmp_path):
    root = folder(tmp_path / "d")
    for i in range(4):
        save(root / "cat" / f"{i}x.png", pixels(0, (8 + i, 9)))
    message = r"images of 5 sizes, height x width: 4 x 5 \(60\), .*and 1 more; pass --image-size"
    refused(root, message)
    data = own_dataset(root, OwnDataOptions(image_size=(3, 2)))
    assert data.shape == (3, 2, 1)
    assert "resized from 4 x 5 to 11 x 9" in data.summary


def test_shrinking_takes_the_mean_and_never_leaves_the_range(tmp_path):
    image = pixels(0, (6, 8))
    blocks = image.reshape(3, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(resized(image, (3, 4)), blocks, atol=1)  # Pillow rounds rows, then columns
    as_floats = (image / 255).astype(np.float32)
    np.testing.assert_allclose(resized(as_floats, (3, 4)), blocks / 255, atol=1e-6)
    in_colour = np.stack([as_floats, 1 - as_floats, as_floats], -1)
    np.testing.assert_array_equal(resized(in_colour, (3, 4))[..., 0], resized(as_floats, (3, 4)))
    edge = np.repeat(np.array([[0, 255]], np.uint8), 8, 1)
    assert set(resized(np.repeat(edge, 16, 0), (3, 3)).ravel()) <= set(range(256))
    ones = resized(np.ones((7, 7), np.float32), (3, 3))
    assert ones.max() <= 1 and np.allclose(ones, 1)  # noqa: PT018


@pytest.mark.parametrize(
    ("stored", "asked", "channels"),
    [("grey", None, 1), ("grey", "rgb", 3), ("rgb", None, 3), ("rgb", "grey", 1), ("grey as rgb", None, 1),
     ("both", "grey", 1), ("both", "rgb", 3)],
)  # fmt: skip
def test_colour(tmp_path, stored, asked, channels):
    grey, colour = pixels(0, (40, 4, 5)), pixels(1, (40, 4, 5, 3))
    as_rgb = np.repeat(grey[..., None], 3, -1)
    both = [*grey[:20], *colour[20:]]
    images = {"grey": grey, "rgb": [*colour[:-1], as_rgb[-1]], "grey as rgb": as_rgb, "both": both}[stored]
    for i, image in enumerate(images):
        save(tmp_path / f"c{i % 2}" / f"{i}.png", image)
    data = own_dataset(tmp_path, OwnDataOptions(colour=asked))
    assert data.shape == (4, 5, channels)
    if stored == "rgb" and asked == "grey":
        luma = np.asarray(Image.fromarray(colour[0]).convert("L"))[..., None] / np.float32(255)
        assert luma.tobytes() in parts_of(data)


def test_grey_and_colour_together_are_refused_without_a_choice(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "cat" / "red.png", pixels(5, (4, 5, 3)))
    refused(root, r"60 images are grey \(.*000\.png\) and 1 are in colour \(.*red\.png\); pass --grey or --rgb")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("colour", [None, "grey", "rgb"])
def test_transparency_needs_rgb_and_lies_on_black(tmp_path, suffix, colour):
    array = np.full((4, 4, 4), 200, np.uint8)
    how = {"lossless": True} if suffix == ".webp" else {}
    whole = np.where(np.arange(4) == 3, 255, array).astype(np.uint8)
    opaque, _ = decode(save(tmp_path / f"o{suffix}", whole, **how), colour)
    np.testing.assert_array_equal(opaque, np.full((4, 4), 200))
    array[0, 0, 3] = 0
    file = save(tmp_path / f"t{suffix}", array, **how)
    if colour != "rgb":
        with pytest.raises(DataError, match=f"t{suffix}: has transparent pixels; pass --rgb to lay them on black"):
            decode(file, colour)
    else:
        laid, _ = decode(file, colour)
        assert laid[0, 0] == 0
        assert laid[1, 1] == round(200 * 200 / 255)


def test_transparency_of_a_palette_and_of_one_grey_level(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    for file in (
        save(tmp_path / "p.png", palette, transparency=0),
        save(tmp_path / "l.png", pixels(0), transparency=int(pixels(0)[0, 0])),
    ):
        with pytest.raises(DataError, match="has transparent pixels"):
            decode(file, None)


# ---- more than 8 bits ----


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bits_need_a_range(tmp_path, suffix):
    root = folder(tmp_path / "d", suffix=suffix, dtype=np.uint16, high=4096)
    assert "000" in refused(root, r"more than 8 bits a pixel, values from \d+ to \d+; .* by --range LO HI")
    data = own_dataset(root, OwnDataOptions(value_range=(1000, 3000)))
    wanted = np.clip((pixels(0, dtype=np.uint16, high=4096).astype(float) - 1000) / 2000, 0, 1).astype(np.float32)
    assert wanted[..., None].tobytes() in parts_of(data)
    assert data.test.sha256 == hashlib.sha256(data.test.x.tobytes()).hexdigest()
    assert data.facts.clipped == pytest.approx(0.51, abs=0.05)
    assert "% of the values outside --range" in data.summary


def test_16_bits_survive_resizing(tmp_path):
    root = folder(tmp_path / "d", shape=(4, 6), dtype=np.uint16, high=65536)
    data = own_dataset(root, OwnDataOptions(image_size=(2, 3), value_range=(0, 65535)))
    blocks = pixels(0, (4, 6), np.uint16, 65536).reshape(2, 2, 3, 2).mean((1, 3)) / 65535
    nearest = min(np.abs(x[..., 0] - blocks).max() for i in (data.train, data.test) for x in i.x)
    assert nearest < 1e-6  # 8 bits would be 2e-3 away


def test_16_bits_in_colour_are_refused_because_pillow_would_cut_them(tmp_path):
    file = png_of_16_bits(tmp_path / "a.png", pixels(0, (3, 3, 3), np.uint16, 65536))
    ppm = tmp_path / "a.ppm"
    ppm.write_bytes(b"P6 1 1 65535\n" + bytes(6))
    for deep in (file, ppm):
        with pytest.raises(DataError, match=rf"{deep.name}: 16 bits a channel in colour"):
            decode(deep, "rgb")


def test_8_and_16_bits_together_fit_no_range(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "cat" / "deep.png", pixels(0, dtype=np.uint16))
    refused(root, "8 bits and more in one data set", OwnDataOptions(value_range=(0, 255)))


def test_nan_in_a_float_tiff_is_refused(tmp_path):
    root = folder(tmp_path / "d")
    save(root / "cat" / "x.tif", np.full((4, 5), np.nan, np.float32))
    refused(root, r"x\.tif: 20 pixels are NaN or infinite; repair", OwnDataOptions(value_range=(0, 1)))


# ---- files that are no image ----


def damaged(file: Path, kind: str) -> Path:
    whole = io.BytesIO()
    Image.fromarray(pixels(9, (64, 64, 3))).save(whole, "JPEG")
    match kind:
        case "empty":
            file.write_bytes(b"")
        case "text":
            file.write_text("hello")
        case "truncated":
            file.write_bytes(whole.getvalue()[:-200])
        case "link":
            file.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(file)
        case "postscript":
            file.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n")
    return file


@pytest.mark.parametrize(
    ("kind", "message"),
    [("empty", "an empty file"), ("text", "not an image"), ("truncated", "a truncated or damaged image"),
     ("link", "a broken link"), ("pipe", "not a file"), ("postscript", "not an image")],
)  # fmt: skip
def test_unreadable_files_are_named_or_skipped(tmp_path, kind, message):
    root = folder(tmp_path / "d")
    damaged(root / "cat" / "bad.jpg", kind)
    refused(root, rf"cat/bad\.jpg: .*{message}.*; replace or delete it, or pass --skip-unreadable")
    data = own_dataset(root, OwnDataOptions(skip_unreadable=True))
    assert data.facts.skipped == (str(root / "cat" / "bad.jpg"),)
    assert "1 unreadable files skipped" in data.summary
    assert parts_of(data) == parts_of(own_dataset(folder(tmp_path / "e"), DEFAULT))


def test_nothing_but_unreadable_files(tmp_path):
    save(tmp_path / "a" / "x.png", pixels(0)).write_bytes(b"")
    refused(tmp_path, "none of its 1 images can be read", OwnDataOptions(skip_unreadable=True))


@pytest.mark.parametrize(
    ("suffix", "how"),
    [(".png", {}), (".jpg", {}), (".jpg", {"progressive": True}), (".bmp", {}), (".gif", {}), (".tif", {}),
     (".webp", {}), (".ppm", {})],
)  # fmt: skip
def test_a_file_cut_anywhere_is_refused_or_loses_no_pixel(tmp_path, suffix, how):
    file = save(tmp_path / f"a{suffix}", pixels(3, (40, 40, 3)), **how)
    raw, (whole, _) = file.read_bytes(), decode(file, None)
    refusals = 0
    for keep in np.linspace(1, len(raw) - 1, 60).astype(int):
        file.write_bytes(raw[:keep])
        found, message = outcome(decode, file, None)
        refusals += bool(message)
        if found:
            np.testing.assert_array_equal(found[0], whole)
    assert refusals >= 55


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM"]), st.data())
def test_no_damage_ends_in_anything_but_an_image_or_a_refusal(tmp_path_factory, kind, data):
    whole = io.BytesIO()
    Image.fromarray(pixels(3, (8, 8, 3))).save(whole, kind)
    raw = bytearray(whole.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("damage") / "a.png"
    file.write_bytes(raw)
    found, message = outcome(decode, file, "rgb")
    if message:
        assert "a.png" in message
        assert message.isprintable()
    else:
        assert found[0].dtype in (np.uint8, np.int32, np.float32)
        assert found[0].ndim in (2, 3)


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    file = save(tmp_path / "bomb.png", np.zeros((100, 100), np.uint8))
    for limit in (9_000, 4_000):  # a warning of Pillow's, and an error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"bomb\.png: more than 0 million pixels; save it smaller") as error:
            decode(file, None)
        assert not isinstance(error.value, Unreadable)


def test_more_images_than_memory_are_refused_before_they_fill_it(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "physical_memory", lambda: 2000)
    refused(folder(tmp_path / "d"), "60 images of 4 x 5 take .* pass a smaller --image-size")


# ---- folders that are no data set ----


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no images in class folders"),
        (["x.png"], "no images in class folders"),
        (["a/x.txt"], "no images in class folders"),
        (["a/x.png"], "holds one class, a; a classifier needs two or more"),
        (["a/x.png", "b/x.txt"], "class b has no train images|class a has no test images|class a has no train images"),
        (["train/a/x.png", "train/b/y.png"], "holds train; name the two parts train and test"),
        (["train/a/x.png", "val/b/y.png"], "holds train, val; name the two parts"),
        (["Training/a/x.png", "Testing/b/y.png"], "holds Testing, Training; name the two parts"),
        (["train/x.png", "test/y.png"], "with class folders in each"),
        (["train/a/x.png", "train/b/y.png", "test/a/z.png"], r"class b has no test images \(1 train images\)"),
        (["train/a/x.png", "test/a/y.png", "test/b/z.png"], r"class b has no train images \(1 test images\)"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, files, message):
    for seed, name in enumerate(files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / name, pixels(seed)) if name.endswith("png") else (tmp_path / name).write_text("x")
    assert str(tmp_path) in refused(tmp_path, message)


def test_no_folder_no_npz(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder or file; name a folder of class folders, or an .npz")
    (tmp_path / "a.zip").write_bytes(b"")
    refused(tmp_path / "a.zip", r"a\.zip: no data set")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path):
    root = folder(tmp_path / "d")
    (root / "cat").chmod(0)
    try:
        refused(root, "cat: cannot be read")
    finally:
        (root / "cat").chmod(0o700)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"image_size": 0}, "--image-size must be at least 1"), ({"image_size": (4, -1)}, "--image-size must be"),
     ({"colour": "cmyk"}, "must be grey or rgb, not cmyk"), ({"value_range": (5, 5)}, "--range must be two finite"),
     ({"value_range": (0, float("nan"))}, "--range must be"), ({"value_range": (9, 1)}, "the lower one first")],
)  # fmt: skip
def test_options_that_make_no_sense(options, message):
    with pytest.raises(DataError, match=message):
        OwnDataOptions(**options)


# ---- .npz ----


def test_an_npz_with_and_without_parts(tmp_path):
    whole = own_dataset(arrays(tmp_path / "pets.npz"), DEFAULT)
    assert (whole.name, whole.shape, whole.classes) == ("own_pets", (4, 5, 1), ("0", "1"))
    assert len(whole.train) + len(whole.test) == 2 * PLENTY
    x, y = pixels(0, (6, 4, 5, 3)), np.array([[3], [10], [3], [10], [3], [10]])
    content = {"x_train": x[:4], "y_train": y[:4], "x_test": x[4:], "y_test": y[4:]}
    split = own_dataset(arrays(tmp_path / "a.npz", **content), DEFAULT)  # x and y are there too
    assert (split.shape, split.classes, split.test.y.tolist()) == ((4, 5, 3), ("3", "10"), [0, 1])
    np.testing.assert_array_equal(np.rint(split.train.x * 255), x[:4])


def test_string_labels_become_sorted_names(tmp_path):
    names = np.array(["dog", "ant"] * PLENTY)
    for labels in (names, names.astype("S")):
        data = own_dataset(arrays(tmp_path / "a.npz", y=labels), DEFAULT)
        assert data.classes == ("ant", "dog")
        with np.load(tmp_path / "a.npz") as stored:
            first = (stored["x"][0][..., None] / np.float32(255)).tobytes()
        part = data.train if parts_of(data)[first] == "train" else data.test
        assert part.y[[x.tobytes() for x in part.x].index(first)] == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_between_0_and_1_are_taken_as_they_are(tmp_path, dtype):
    x = np.random.default_rng(0).uniform(size=(2 * PLENTY, 4, 5, 1)).astype(dtype)
    data = own_dataset(arrays(tmp_path / "a.npz", x=x), DEFAULT)
    assert set(parts_of(data)) == {image.astype(np.float32).tobytes() for image in x}


def test_integers_of_an_npz_with_a_range(tmp_path):
    x = pixels(0, (2 * PLENTY, 4, 5), np.uint16, 4096)
    refused(arrays(tmp_path / "a.npz", x=x), "x: pixels are uint16; store uint8, .* by --range LO HI")
    data = own_dataset(tmp_path / "a.npz", OwnDataOptions(value_range=(0, 4095)))
    assert set(parts_of(data)) == {(image / 4095).astype(np.float32).tobytes() for image in x}


X, N = np.zeros((2 * PLENTY, 4, 5)), 2 * PLENTY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "holds x; name the arrays x_train, y_train, x_test, y_test, or x, y"),
        ({"x": None, "y": None}, "holds nothing; name the arrays"),
        ({"x": None, "x_train": X, "y": None}, "holds x_train; name the arrays"),
        ({"x": X * np.nan}, "x: 1200 pixels are NaN or infinite"),
        ({"x": X + 255}, "x: pixels run from 255 to 255, not 0 to 1; divide them, or .* --range"),
        ({"x": X - 0.1}, "not 0 to 1"),
        ({"x": X.astype(complex)}, "pixels are complex128"),
        ({"x": X.astype(np.int64)}, "pixels are int64; store uint8"),
        ({"x": np.array([{}] * N)}, "pickled objects"),
        ({"x": X.reshape(N, 20)}, r"has shape \(60, 20\); store \(N, H, W\)"),
        ({"x": np.zeros((N, 3, 4, 5))}, r"has shape \(60, 3, 4, 5\)"),
        ({"x": np.zeros((N, 4, 5, 4), np.uint8)}, r"has shape \(60, 4, 5, 4\)"),
        ({"x": np.zeros((N, 0, 5), np.uint8)}, "has shape"),
        ({"x": np.uint8(3)}, "has shape"),
        ({"x": np.zeros((0, 4, 5), np.uint8), "y": np.zeros(0, int)}, "holds no images"),
        ({"y": np.zeros(5, int)}, r"60 images but labels of shape \(5,\); store one label an image"),
        ({"y": np.eye(2)[np.arange(N) % 2]}, r"labels of shape \(60, 2\)"),
        ({"y": np.zeros(N)}, "labels are float64; store integers or strings"),
        ({"y": np.zeros(N, bool)}, "labels are bool"),
        ({"y": np.arange(N) % 2 - 1}, "has the label -1"),
        ({"y": np.zeros(N, int)}, "holds one class, 0"),
        ({"y": np.arange(N)}, "class 0 has no"),
        (
            {"x_train": X, "y_train": np.zeros(N, int), "x_test": X, "y_test": np.array(["a"] * N)},
            "y_train holds int64, y_test <U1; store one kind",
        ),
    ],
)
def test_an_npz_that_does_not_fit(tmp_path, changes, message):
    assert str(tmp_path / "a.npz") in refused(arrays(tmp_path / "a.npz", **changes), message)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04."])
def test_a_file_that_is_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    refused(tmp_path / "a.npz", r"a\.npz: truncated, no \.npz, or pickled objects .*; write it again by numpy\.savez")


def test_an_npy_called_npz_and_a_truncated_one(tmp_path):
    with open(tmp_path / "a.npz", "wb") as handle:
        np.save(handle, X)
    refused(tmp_path / "a.npz", "no .npz")
    file = arrays(tmp_path / "b.npz")
    for keep in (file.stat().st_size - 30, 500, 10):
        file.write_bytes(file.read_bytes()[:keep])
        refused(file, "truncated")


# ---- DICOM ----


class FakeScan(types.SimpleNamespace):
    def get(self, name, otherwise=None):
        return getattr(self, name, otherwise)


def scan(monkeypatch, folder, array, **tags):
    """A .dcm file, and a pydicom that reads `array` and `tags` from it."""
    tags = {"PhotometricInterpretation": "MONOCHROME2", "BitsStored": 12} | tags
    module = types.SimpleNamespace(dcmread=lambda raw: FakeScan(pixel_array=array, **tags))
    monkeypatch.setitem(sys.modules, "pydicom", module)
    (folder / "a.dcm").write_bytes(b"DICM")
    return folder / "a.dcm"


def test_dicom_without_pydicom_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    root = folder(tmp_path / "d")
    (root / "cat" / "a.dcm").write_bytes(b"DICM")
    skipping = OwnDataOptions(skip_unreadable=True)
    for options in (DEFAULT, skipping):
        refused(root, r"cat/a\.dcm: DICOM needs pydicom; run pip install pydicom, or save it as PNG", options)


def test_dicom_values(tmp_path, monkeypatch):
    raw = pixels(0, dtype=np.uint16, high=4096)
    decoded, is_rgb = decode(scan(monkeypatch, tmp_path, raw), None)
    assert (decoded.dtype, is_rgb) == (np.int32, False)
    np.testing.assert_array_equal(decoded, raw)
    decoded, _ = decode(scan(monkeypatch, tmp_path, raw, RescaleSlope="2", RescaleIntercept="-1024"), None)
    np.testing.assert_array_equal(decoded, raw * np.float32(2) - 1024)
    decoded, _ = decode(scan(monkeypatch, tmp_path, raw, PhotometricInterpretation="MONOCHROME1"), None)
    np.testing.assert_array_equal(decoded, 4095 - raw.astype(int))
    signed = {"PhotometricInterpretation": "MONOCHROME1", "PixelRepresentation": 1}
    decoded, _ = decode(scan(monkeypatch, tmp_path, raw.astype(np.int16), **signed), None)
    np.testing.assert_array_equal(decoded, -1 - raw.astype(int))
    eight = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 8}
    decoded, _ = decode(scan(monkeypatch, tmp_path, pixels(0), **eight), None)
    np.testing.assert_array_equal(decoded, 255 - pixels(0))
    assert decoded.dtype == np.uint8
    decoded, is_rgb = decode(scan(monkeypatch, tmp_path, pixels(0, (4, 5, 3)), SamplesPerPixel=3), None)
    assert (decoded.shape, is_rgb) == ((4, 5, 3), True)


@pytest.mark.parametrize(
    ("tags", "message"),
    [({"NumberOfFrames": 3}, "of 3 frames; save each frame"),
     ({"PhotometricInterpretation": "PALETTE COLOR"}, "with a palette; save it as PNG"),
     ({"pixel_array": None}, "a damaged DICOM file")],
)  # fmt: skip
def test_dicom_that_is_refused(tmp_path, monkeypatch, tags, message):
    array = np.zeros((3, 4, 5)) if "NumberOfFrames" in tags else pixels(0)
    if "pixel_array" in tags:
        tags = {}
        file = scan(monkeypatch, tmp_path, array)
        monkeypatch.setattr(sys.modules["pydicom"], "dcmread", lambda raw: FakeScan())
    else:
        file = scan(monkeypatch, tmp_path, array, **tags)
    with pytest.raises(DataError, match=rf"a\.dcm: .*{message}"):
        decode(file, None)


def test_every_suffix_is_tried_above():
    tried = {".png", ".bmp", ".tif", ".tiff", ".pgm", ".gif", ".ppm", ".webp", ".jpg", ".jpeg", ".dcm"}
    assert set(image_file.SUFFIXES) == tried
