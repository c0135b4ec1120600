"""Checksums of what a result holds, so that neither a changed figure nor another result's arrays are believed."""

import hashlib
import json

import numpy as np

SEAL, ARRAYS_SEAL = "sha256", "arrays_sha256"
"""Where they stand in a result; results of older versions have neither."""


def content_sha256(content: dict) -> str:
    """Of a result's JSON without its own checksum, keys sorted."""
    rest = {name: value for name, value in content.items() if name != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def arrays_sha256(arrays: dict[str, np.ndarray]) -> str:
    """Of names, types, shapes and values; not of the file, which holds the time when it was written."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
