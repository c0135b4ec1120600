"""Names of a user's own as file names and as text: a model may be called `x/../..`, `[/x]` or hold a line break."""

import hashlib
import re

LONGEST = 200
"""Bytes of a name: file systems take 255, and suffixes such as `_histograms.png`, `-<hash>.partial.npz` and those of
temporary files are added."""
_HASH = 8
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]+')


def safe_stem(text: str) -> str:
    """One component of a path that names `text`: never empty, hidden, a folder above, or longer than LONGEST bytes.

    A name that is one already stays as it is. Of any other a hash is part, so that two names never meet in one file.
    """
    stem = "".join(c if c.isprintable() else "-" for c in text)
    stem = _FORBIDDEN.sub("-", stem).strip(" ").lstrip(".").rstrip(".")
    if stem == text and stem and len(stem.encode()) <= LONGEST:
        return stem
    room = LONGEST - _HASH - 1
    kept = stem.encode()[:room].decode(errors="ignore").strip(" .")
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH]
    return f"{kept or 'name'}-{digest}"


def visible(text: str, kept: str = "") -> str:
    """`text` with \\n, \\x1b ... for line breaks, escapes and whatever else prints nothing, but for those `kept`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)
