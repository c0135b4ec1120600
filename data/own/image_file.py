"""One image file, decoded whole by Pillow, or refused by its name: nothing is guessed, cut off or filled in."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from deepbayes.data.checks import DataError
from deepbayes.data.own import dicom_file
from deepbayes.data.own.options import Unreadable, shown

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", dicom_file.SUFFIX,
)  # fmt: skip
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # no others, whatever a file is called: EPS runs code
_TIFF_BITS = 258  # the tag BitsPerSample


def decode(file: Path, colour: str | None) -> tuple[np.ndarray, bool]:
    """The file's pixels, upright, and whether it is stored in colour.

    Args:
      colour: what was asked for; "rgb" lays transparent pixels on black.

    Returns:
      (H, W) or (H, W, 3) array, uint8, or int32 / float32 where the file has more bits; three equal channels are one.
      And True where the file has three channels or a palette.

    Raises:
      Unreadable: no whole image.
      DataError: transparency without "rgb", several pages, 16 bits in colour, far too many pixels, pydicom is missing.
    """
    raw, where = _content(file), shown(file)
    if file.suffix.lower() == dicom_file.SUFFIX:
        pixels = dicom_file.decode(raw, where)
        return _one_channel_if_equal(pixels), pixels.ndim == 3
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata
            warnings.filterwarnings("error", "Truncated")  # TIFF only warns of it
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(raw, where, colour)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{where}: more than {Image.MAX_IMAGE_PIXELS // 10**6} million pixels; save it smaller, or delete it"
        ) from None
    except DataError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever they stumble over: KeyError, struct.error, ...
        raise Unreadable(f"{where}: {_reason(error)}; {_CURE}") from None


def _content(file: Path) -> bytes:
    if not file.is_file():  # a pipe would be waited for
        raise Unreadable(f"{shown(file)}: a broken link, or not a file; {_CURE}")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise Unreadable(f"{shown(file)}: cannot be read ({error.strerror}); {_CURE}") from None
    if not raw:
        raise Unreadable(f"{shown(file)}: an empty file; {_CURE}")
    return raw


def _decode(raw, where, colour):
    image = Image.open(io.BytesIO(raw), formats=_FORMATS)
    if image.format == "TIFF" and image.n_frames > 1:
        raise DataError(f"{where}: a TIFF of {image.n_frames} pages; save each page as a file")
    if _would_be_cut_to_8_bits(image):  # asked before load(), which forgets it
        raise DataError(f"{where}: 16 bits a channel in colour, which Pillow cuts to 8; save it with 8, or in grey")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        pixels = np.asarray(image)
        return pixels.astype(np.float32 if image.mode == "F" else np.int32), False
    image = _without_alpha(image, where, colour)
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L")), False
    return _one_channel_if_equal(np.asarray(image.convert("RGB"))), True


def _would_be_cut_to_8_bits(image) -> bool:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return False
    if image.format == "TIFF":
        return max(image.tag_v2.get(_TIFF_BITS, (1,))) > 8
    arguments = image.tile[0].args if image.tile else None
    if image.format == "PPM":
        return isinstance(arguments, tuple) and len(arguments) > 1 and arguments[1] > 255  # (raw mode, highest value)
    return image.format == "PNG" and ";16" in str(arguments)


def _without_alpha(image, where, colour):
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    if rgba.getextrema()[3][0] == 255:
        return image if image.mode in ("L", "LA") else rgba
    if colour != "rgb":
        raise DataError(f"{where}: has transparent pixels; pass --rgb to lay them on black, or save it without alpha")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)


def _one_channel_if_equal(pixels):
    """Grey that is stored as RGB is grey."""
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        return np.ascontiguousarray(pixels[..., 0])
    return pixels


def _reason(error) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, or a damaged one"
    return f"a truncated or damaged image ({shown(error)})"


_CURE = "replace or delete it, or pass --skip-unreadable"
