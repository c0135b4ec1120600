"""One DICOM file, by pydicom where that is installed: an X-ray or one slice of a scan."""

import io

import numpy as np

from deepbayes.data.checks import DataError
from deepbayes.data.own.options import Unreadable, shown

SUFFIX = ".dcm"


def decode(raw: bytes, where: str) -> np.ndarray:
    """Pixels (H, W) or (H, W, 3): uint8, or int32 / float32 of stored value * slope + intercept (CT: Hounsfield units).

    MONOCHROME1, whose lowest value is white, is turned round first, so that black is low as everywhere else.

    Raises:
      Unreadable: no whole DICOM image.
      DataError: pydicom is missing, several frames, or a palette.
    """
    try:
        import pydicom
    except ImportError:
        raise DataError(f"{where}: DICOM needs pydicom; run pip install pydicom, or save it as PNG") from None
    try:
        scan = pydicom.dcmread(io.BytesIO(raw))
        frames, kind = int(scan.get("NumberOfFrames") or 1), scan.PhotometricInterpretation
        pixels = np.asarray(scan.pixel_array)  # YBR comes as RGB
    except Exception as error:  # pydicom raises whatever its decoders do, of many kinds
        raise Unreadable(
            f"{where}: a damaged DICOM file, or one that pydicom cannot decode ({shown(error)}); replace or delete it, "
            "or pass --skip-unreadable"
        ) from None
    if frames > 1 or pixels.ndim != (3 if scan.get("SamplesPerPixel", 1) == 3 else 2):
        raise DataError(f"{where}: a DICOM file of {frames} frames; save each frame as a file")
    if kind == "PALETTE COLOR":
        raise DataError(f"{where}: a DICOM file with a palette; save it as PNG")
    return _values(scan, pixels)


def _values(scan, pixels):
    if scan.get("PhotometricInterpretation") == "MONOCHROME1":
        lowest, highest = _stored_range(scan)
        pixels = (lowest + highest) - pixels.astype(np.int64)
        pixels = pixels.astype(np.uint8) if (lowest, highest) == (0, 255) else pixels
    slope, intercept = float(scan.get("RescaleSlope") or 1), float(scan.get("RescaleIntercept") or 0)
    if (slope, intercept) == (1, 0):
        return pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return (pixels * slope + intercept).astype(np.float32)


def _stored_range(scan) -> tuple[int, int]:
    bits, signed = int(scan.BitsStored), bool(scan.get("PixelRepresentation"))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
