"""Readers of text, JSON, YAML, CSV and arrays that answer damaged and hostile files with a sentence.

What is read may be damaged, or made to do harm. Readers refuse what is no plain file, larger than it can
sensibly be, or claims to be larger than it is, before memory is taken for it; nothing is ever unpickled.
"""

import codecs
import csv
import io
import json
import math
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import yaml

from vad_lib.errors import DataError, MissingFileError, VadError

LARGEST_TEXT_BYTES = 256 * 2**20  # the longest public list has 1 MB

LARGEST_ARCHIVE_BYTES = 2**30  # of the arrays in an .npz file; scores of XD-Violence have 10 MB

DEEPEST_NESTING = 64  # lists and mappings in one another; notebooks have 8


def read_text(path: Path | str, what: str = "a text file", advice: str = "Correct it or get it again.") -> str:
    """Read UTF-8 text, with or without a byte order mark, or UTF-16 with one, and any line ends.

    Args:
        path: the file.
        what: is expected, for messages.
        advice: what to do about a damaged one.

    Raises:
        MissingFileError: there is no such file.
        DataError: no plain file, too large to be what is expected, no UTF-8 text, or text with NUL bytes.
    """
    path = Path(path)
    try:
        size = _plain_size(path)
        if size > LARGEST_TEXT_BYTES:
            raise ValueError(f"it has {size:,} bytes, more than {LARGEST_TEXT_BYTES:,}")
        with open(path, "rb") as stream:
            wide = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # Windows writes it
        text = path.read_text(encoding="utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds NUL bytes, so it is no UTF-8 text")
        return text
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected {what}, found no such file.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: expected UTF-8 text (line {line}: {error}). {advice}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected {what}, but it cannot be read ({error}). {advice}") from error


def _plain_size(path: Path) -> int:
    """Bytes of a file; opening a pipe or a device could wait for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"it is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no plain file'}")
    return status.st_size


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is not JSON, holds NaN, names a key twice, or nests deeper than anything written here.
    """
    text = read_text(path, "a JSON file", "Delete it and make it again.")
    try:
        value = _not_too_deep(json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number))
        if re.search(r"\\u[dD][89a-fA-F]", text):  # halves of characters could not be written again
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, but it does not parse ({error}). Delete it and make it again.") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _not_too_deep(value: Any) -> Any:
    """The value itself; a ValueError if it is nested deeper than allowed."""
    # by identity: YAML can name one list in many places, or inside itself
    level, depth = {id(value): value}, 0
    while level := {id(v): v for v in level.values() if isinstance(v, dict | list)}:
        depth += 1
        if depth > DEEPEST_NESTING:
            raise ValueError(f"lists or mappings are nested more than {DEEPEST_NESTING} deep")
        inner = (child for v in level.values() for child in (v.values() if isinstance(v, dict) else v))
        level = {id(child): child for child in inner}
    return value


class _YamlLoader(yaml.SafeLoader):
    """Plain values only, and no key twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise yaml.constructor.ConstructorError(None, None, "a key stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Plain values of YAML; a ValueError if it does not parse, names a key twice or nests too deep."""
    loader = None
    try:
        loader = _YamlLoader(text)
        return _not_too_deep(loader.get_single_data())
    except (yaml.YAMLError, RecursionError, OverflowError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error  # numbers and dates raise what their parsers raise
    finally:
        if loader is not None:
            loader.dispose()


def read_yaml(path: Path | str, what: str = "a YAML file") -> Any:
    """Read a YAML file of plain values.

    Args:
        path: the file.
        what: is expected, for messages.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is not YAML, names a key twice, or nests deeper than anything written here.
    """
    text = read_text(path, what, "Correct it.")
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise DataError(f"{path}: expected YAML, but it does not parse ({error}). Correct that line.") from error


def read_csv(path: Path | str, columns: tuple[str, ...], what: str = "a CSV file") -> Iterator[tuple[int, dict[str, str]]]:
    """Lines of a CSV file with a header, and their numbers; fields that a line lacks are empty.

    Args:
        path: the file.
        columns: that must be there; more may be.
        what: is expected, for messages.

    Raises:
        MissingFileError: there is no such file.
        DataError: a column is missing or there twice, a line has more fields than the header, or the text is no CSV.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, what)), restval="")
    try:
        names = list(reader.fieldnames or ())
        missing = [column for column in columns if column not in names]
        if missing:
            raise DataError(f"{path}: column {', '.join(missing)} is missing; expected {', '.join(columns)}, got {names}.")
        if len(set(names)) < len(names):
            raise DataError(f"{path}: a column stands there twice: {', '.join(names)}. Remove one.")
        for row in reader:
            if any(row.pop(None, ())):
                raise DataError(f"{path}, line {reader.line_num}: more fields than columns; put fields with commas in quotes.")
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: expected CSV ({error}). Correct the line.") from error


@contextmanager
def damaged_as_data_error(place: Path | str, what: str) -> Iterator[None]:
    """Turn errors in the block into a DataError that names the place: what was read there does not fit together.

    Args:
        place: file or folder that was read.
        what: is expected there.
    """
    try:
        yield
    except VadError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{place}: expected {what}, but its parts do not fit together ({type(error).__name__}: {error}). Make it again."
        ) from error


def read_array(path: Path | str, *, mmap: bool = False) -> np.ndarray:
    """Read one ``.npy`` array; never unpickles, and takes no memory for more than the file holds.

    Args:
        path: the file.
        mmap: True for a read-only memory map.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is truncated, no ``.npy`` file, or holds pickled objects.
    """
    path = Path(path)
    try:
        size = _plain_size(path)
        with open(path, "rb") as stream:
            shape, order, dtype = _array_header(stream, size)
            if mmap:
                return np.memmap(path, dtype=dtype, mode="r", offset=stream.tell(), shape=shape, order=order)
            return np.fromfile(stream, dtype=dtype, count=math.prod(shape)).reshape(shape, order=order)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected a .npy array, found no such file.") from None
    except (ValueError, EOFError, OSError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: expected a plain .npy array, but it cannot be read ({error}). It may be truncated, of "
            "another format, or hold pickled objects, which are never loaded: save it again as a plain array."
        ) from error


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file; never unpickles, and takes no memory for more than the file holds.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file is truncated, no ``.npz`` file, unpacks to more than 1 GiB, or holds pickled objects.
    """
    path = Path(path)
    try:
        _plain_size(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > LARGEST_ARCHIVE_BYTES:
                raise ValueError(f"its arrays have {total:,} bytes, more than {LARGEST_ARCHIVE_BYTES:,}")
            return _each_once([(member.filename.removesuffix(".npy"), _read_member(archive, member)) for member in members])
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected an .npz file, found no such file.") from None
    except Exception as error:  # zip files and each way to compress them have their own errors, and the fix is the same
        raise DataError(f"{path}: expected a plain .npz file, but it cannot be read ({error}). Make it again.") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        shape, order, dtype = _array_header(stream, member.file_size)
        content = bytearray(stream.read())  # at most what the directory of the archive says; its checksum is compared
        count = math.prod(shape)
        return np.frombuffer(content, dtype, count).reshape(shape, order=order) if count else np.empty(shape, dtype, order)


def _array_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype]:
    """Shape, order and type of a ``.npy`` stream of some bytes; a ValueError if it is none, or promises more than it holds."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"format version {version}, known are 1.0 and 2.0")
    try:
        shape, fortran, dtype = readers[version](stream)
    except Exception as error:  # it is parsed as Python, and whatever the parser says, it is no header
        raise ValueError(f"its header is damaged: {str(error)[:200]}") from error
    if dtype.hasobject or dtype.subdtype or dtype.names:
        raise ValueError(f"its type is {dtype}, no plain numbers or texts")
    if not dtype.itemsize or not all(type(axis) is int and 0 <= axis <= 2**48 for axis in shape):
        raise ValueError(f"its header says the shape {shape}")
    promised, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if promised > there:
        raise ValueError(f"its header promises {promised:,} bytes of numbers, there are {there:,}")
    return shape, "F" if fortran else "C", dtype
