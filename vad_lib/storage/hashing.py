"""Hashes of files and of values."""

import hashlib
import json
from pathlib import Path
from typing import Any


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def content_hash(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of dictionary keys.

    Raises:
        TypeError: JSON cannot hold it. Arrays are hashed by their bytes; the text of a long one leaves out its middle.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
