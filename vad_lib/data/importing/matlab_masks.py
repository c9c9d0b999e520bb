"""Pixel masks in a Matlab file (level 5), as Avenue has them: a cell array with a mask for each frame.

SciPy reads such files too, but a damaged one crashes the process, and it holds all masks in memory. Here they are read one by
one, and only whether a frame has abnormal pixels is kept.

Layout (MathWorks, *MAT-File Format*): a header of 128 bytes, then elements. An element is a tag, its type and its bytes as two
numbers of 32 bits, and its data, filled up to 8 bytes; with the number of bytes in the upper half of the type, up to four bytes
of data stand in the tag itself. A matrix is an element of elements: flags, dimensions, name, then its numbers or its cells.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vad_lib.errors import DataError

LARGEST_FILE = 2**28  # bytes; the masks of a video are all but empty, and pack well
LARGEST_MASK = 2**26  # bytes of one frame; Avenue's have 360 x 640 pixels
MOST_FRAMES = 10**6  # Avenue's longest video has 1,439

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_CELL, _NUMBERS = 1, range(6, 16)  # classes of matrices
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}

_Read = Callable[[int], bytes]


def read_pixel_masks(path: Path, variable: str) -> np.ndarray:
    """Tell which frames have abnormal pixels.

    Args:
        path: Matlab file of level 5, compressed or not.
        variable: name of the cell array (1, F) or (F, 1) of pixel masks.

    Returns:
        uint8 (F,), 1 where any pixel of the frame is not 0.

    Raises:
        DataError: no such file, it is damaged or too large, or it holds something else.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST_FILE:,}")
        with open(path, "rb") as stream:
            header = stream.read(_HEADER)
            if header[126:] not in (b"IM", b"MI"):
                raise ValueError("it has no header of a Matlab file of level 5")
            order = "<" if header[126:] == b"IM" else ">"
            while tag := stream.read(8):
                kind, size = struct.unpack(f"{order}II", tag)
                end = stream.tell() + size
                read = _unpacked(stream.read(size)) if kind == _COMPRESSED else stream.read
                if kind == _COMPRESSED:
                    kind, size = struct.unpack(f"{order}II", _exactly(read, 8))
                if kind == _MATRIX and (found := _masks(read, order, variable)) is not None:
                    return found
                stream.seek(end)
        raise ValueError(f"it has no variable {variable}")
    except (OSError, ValueError, struct.error, zlib.error) as error:
        message = f"{path}: expected the pixel masks {variable}, but it cannot be read ({error}). Download it again."
        raise DataError(message) from error


def _masks(read: _Read, order: str, variable: str) -> np.ndarray | None:
    """The wanted cell array, uint8 (F,); None if it is another variable."""
    (form, shape), name = _matrix(read, order), _element(read, order)[1]
    if name != variable.encode():
        return None
    if form != _CELL or not 1 <= math.prod(shape) <= MOST_FRAMES:
        raise ValueError(f"it is no cell array of 1 to {MOST_FRAMES:,} frames")
    return np.array([_any_pixel(read, order) for _ in range(math.prod(shape))], dtype=np.uint8)


def _any_pixel(read: _Read, order: str) -> bool:
    """Whether the mask in the next cell has a pixel that is not 0."""
    kind, cell = _element(read, order)
    if kind != _MATRIX:
        raise ValueError("a cell holds no matrix")
    if not cell:
        return False
    inside = io.BytesIO(cell).read
    (form, shape), _ = _matrix(inside, order), _element(inside, order)
    if form not in _NUMBERS:
        raise ValueError("a cell holds no mask of numbers")
    kind, data = _element(inside, order)
    if kind not in _TYPES:
        raise ValueError("a mask holds no numbers")
    pixels = np.frombuffer(data, f"{order}{_TYPES[kind]}")
    if pixels.size != math.prod(shape):
        raise ValueError(f"a mask of shape {shape} has {pixels.size:,} pixels")
    return bool(pixels.any())


def _matrix(read: _Read, order: str) -> tuple[int, tuple[int, ...]]:
    """Class and dimensions of a matrix whose tag has been read."""
    flags, dimensions = _element(read, order)[1], _element(read, order)[1]
    (form,) = struct.unpack(f"{order}I", flags[:4])
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    if min(shape, default=-1) < 0:
        raise ValueError(f"a matrix of shape {shape} cannot be")
    return form & 255, shape


def _element(read: _Read, order: str) -> tuple[int, bytes]:
    """Type and data of the next element."""
    tag = _exactly(read, 8)
    kind, size = struct.unpack(f"{order}II", tag)
    if kind >> 16:
        return kind & 0xFFFF, tag[4 : 4 + min(kind >> 16, 4)]
    if size > LARGEST_MASK:
        raise ValueError(f"a part of it has {size:,} bytes, more than {LARGEST_MASK:,}")
    return kind, _exactly(read, size + -size % 8)[:size]


def _exactly(read: _Read, count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise ValueError("it is cut off")
    return data


def _unpacked(packed: bytes) -> _Read:
    """A reader of compressed bytes that unpacks no more than it is asked for."""
    unpacker, waiting = zlib.decompressobj(), packed

    def read(count: int) -> bytes:
        nonlocal waiting
        parts, lacking = [], count
        while lacking:
            before, part = len(waiting), unpacker.decompress(waiting, lacking)
            waiting = unpacker.unconsumed_tail
            if not part and len(waiting) == before:  # what is unpacked may wait inside where all that is packed has been taken
                break
            parts.append(part)
            lacking -= len(part)
        return b"".join(parts)

    return read
