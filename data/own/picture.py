"""One image of a user's own: its pixels as read, then as every classifier sees them.

Two hashes identify it. `origin` is that of the decoded pixels as stored, before --range, --image-size and colour: it
decides part and position, which therefore do not depend on any option or on any other file. `content` is that of the
final pixels: two images are copies where a classifier cannot tell them apart.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from deepbayes.data.checks import DataError
from deepbayes.data.own.options import OwnDataOptions

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's own conversion of 8-bit images


@dataclass
class Picture:
    """An image on its way into the data set.

    Attributes:
      where: the file, or the array and row, for messages.
      label: number of its class.
      part: "train", "test", or None until it is split.
      group: the patient, or None.
      pixels: (H, W) or (H, W, 3), uint8, or float32 in [0, 1]; after `in_colour` (H, W, ch).
      is_rgb: whether it is stored with three channels, even if these are equal.
      size: (height, width) before resizing.
      bits: 8, or 32 where the file holds more than 8.
      origin, content: sha256 (32 bytes) of the decoded and of the final pixels.
      clipped: share of its values that --range cut off.
    """

    where: str
    label: int
    part: str | None
    group: str | None
    pixels: np.ndarray
    is_rgb: bool
    size: tuple[int, int]
    bits: int
    origin: bytes
    content: bytes
    clipped: float


def make_picture(
    decoded: np.ndarray, is_rgb: bool, where: str, label: int, part: str | None, group: str | None,
    options: OwnDataOptions,
) -> Picture:  # fmt: skip
    """A Picture from decoded pixels (H, W) or (H, W, 3): uint8, or int32 / float32 as stored.

    Raises:
      DataError: NaN, or more than 8 bits without --range.
    """
    pixels, clipped = _scaled(decoded, where, options.value_range)
    pixels, size, bits = resized(pixels, options.size), decoded.shape[:2], 8 * decoded.dtype.itemsize
    return Picture(where, label, part, group, pixels, is_rgb, size, bits, sha256(decoded), b"", clipped)


def _scaled(decoded, where, value_range):
    if not np.isfinite(decoded).all():
        raise DataError(f"{where}: {int((~np.isfinite(decoded)).sum())} pixels are NaN or infinite; repair the image")
    if value_range is None:
        if decoded.dtype != np.uint8:
            raise DataError(
                f"{where}: more than 8 bits a pixel, values from {decoded.min():g} to {decoded.max():g}; say which "
                "values are black and white by --range LO HI"
            )
        return decoded, 0.0
    low, high = value_range
    values = (decoded.astype(np.float64) - low) / (high - low)
    return np.clip(values, 0, 1).astype(np.float32), float(np.mean((values < 0) | (values > 1)))


def resized(pixels: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """The pixels at (height, width), by Pillow's BOX: a new pixel is the mean of those that it covers.

    BOX and not LANCZOS, whose negative lobes put halos around edges, beyond black and white: attacks and detectors
    would measure these. The image is stretched to the new shape, not cropped.
    """
    if size is None or pixels.shape[:2] == size:
        return pixels
    height, width = size
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
    planes = [pixels] if pixels.ndim == 2 else [pixels[..., c] for c in range(3)]
    planes = [Image.fromarray(np.ascontiguousarray(p)).resize((width, height), Image.Resampling.BOX) for p in planes]
    stacked = np.stack([np.asarray(p) for p in planes], axis=-1).clip(0, 1)  # a mean may round past 1
    return stacked if pixels.ndim == 3 else stacked[..., 0]


def common_colour(pictures: list[Picture], wanted: str | None) -> str:
    """What the images become: "grey" or "rgb".

    Raises:
      DataError: neither was asked for, and some are grey and some in colour.
    """
    if wanted:
        return wanted
    in_colour = [p for p in pictures if p.pixels.ndim == 3]
    if not in_colour:
        return "grey"
    grey = [p for p in pictures if not p.is_rgb]
    if not grey:
        return "rgb"
    raise DataError(
        f"{len(grey)} images are grey ({grey[0].where}) and {len(in_colour)} are in colour ({in_colour[0].where}); "
        "pass --grey or --rgb"
    )


def to_colour(picture: Picture, colour: str) -> None:
    """Gives `picture` its final pixels (H, W, 1) or (H, W, 3), and their hash."""
    pixels = picture.pixels
    if colour == "grey" and pixels.ndim == 3:
        grey = np.asarray(Image.fromarray(pixels).convert("L")) if pixels.dtype == np.uint8 else pixels @ _LUMA
        pixels = grey.clip(0, 1) if grey.dtype == np.float32 else grey
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 1 if colour == "grey" else 3, axis=-1)
    picture.pixels, picture.content = pixels, sha256(pixels)


def sha256(pixels: np.ndarray) -> bytes:
    """Of shape, type and values."""
    heading = f"{pixels.shape} {pixels.dtype.str} ".encode()
    return hashlib.sha256(heading + np.ascontiguousarray(pixels).tobytes()).digest()
