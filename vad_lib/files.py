"""Reading and writing that cannot leave half a file behind, and hashes of what was read.

Everything this project writes goes through :func:`atomic_path`: the content is written to a temporary
neighbour first and renamed over the target only when it is complete. A full disk, a read-only folder or
Ctrl-C therefore never damages what was there. What a killed process left behind is removed by the next one
that writes into the same folder.

What is read may be damaged, or made to do harm. Readers refuse what is no plain file, larger than it can
sensibly be, or claims to be larger than it is, before memory is taken for it; nothing is ever unpickled.
"""

import csv
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath
from typing import IO, Any

import numpy as np
import yaml

from vad_lib.errors import DataError, MissingFileError, OutputError, VadError
from vad_lib.locks import lock_open_file

TEMPORARY = ".vad.tmp"  # in the names of files that are being written
LINKS_VARIABLE = "VAD_FOLLOW_LINKS"
LARGEST_TEXT_BYTES = 256 * 2**20  # the longest public list has 1 MB
LARGEST_ARCHIVE_BYTES = 2**30  # of the arrays in an .npz file; scores of XD-Violence have 10 MB
DEEPEST_NESTING = 64  # lists and mappings in one another; notebooks have 8


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it over ``target`` if the block succeeds.

    The temporary name keeps the suffix of the target, because numpy, OpenCV and matplotlib choose the
    format by it.

    Raises:
        OutputError: the folder cannot be written or the disk is full; ``target`` is unchanged.
    """
    target = Path(target)
    temporary: Path | None = None
    held: int | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent)
        temporary, held = _temporary(target)
        yield temporary
        # mkstemp makes files private; results are meant to be read by others.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except VadError:  # among them MissingFileError, an OSError of what was read inside the block
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}. Nothing was changed. "
            "Free some space or choose another folder with --out / --data, then run the command again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def _temporary(target: Path) -> tuple[Path, int | None]:
    """A new temporary file, and its handle, locked as long as it is open: so others see that it is in use."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=f"{TEMPORARY}{target.suffix}", dir=target.parent)
        if lock_open_file(handle) is None:
            os.close(handle)
            return Path(name), None
        if Path(name).exists():
            return Path(name), handle
        os.close(handle)  # another process took it for an abandoned one before it was locked


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files that no process is writing any more; where there are no file locks, none can be told."""
    for path in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(".") and TEMPORARY in entry.name]:
        with suppress(OSError):  # gone meanwhile, or another user's
            handle = os.open(path, os.O_RDWR)
            try:
                if lock_open_file(handle):
                    path.unlink(missing_ok=True)
            finally:
                os.close(handle)


def partial_folder(target: Path) -> Path:
    """Where a folder is built before it takes its place: a hidden neighbour of ``target``."""
    return target.with_name(f".{target.name}.partial")


def clear_folder(folder: Path, keep: str = "") -> None:
    """Empty a folder that is about to be filled, one file apart; nothing happens if there is none."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def replace_folder(partial: Path, target: Path) -> None:
    """Put a complete folder in its place; a folder that was there is whole until this moment.

    Raises:
        OutputError: the folder cannot be moved.
    """
    old = _replaced(target)
    try:
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(partial, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"cannot put {partial} in the place of {target}: {error.strerror or error}. Check its permissions."
        ) from error


def remove_replaced(target: Path) -> None:
    """Remove what :func:`replace_folder` had put aside when it was killed; only where the new folder is in its place."""
    if target.exists():
        shutil.rmtree(_replaced(target), ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def write_text(target: Path | str, text: str) -> Path:
    """Write UTF-8 text atomically, with Unix line ends."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(target)


def write_json(target: Path | str, value: Any) -> Path:
    """Write JSON atomically: keys in the order given, two spaces, floats with full precision, no NaN."""
    return write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n")


# --- reading ------------------------------------------------------------------------------------------
def read_text(path: Path | str, what: str = "a text file", advice: str = "Correct it or get it again.") -> str:
    """Read UTF-8 text, with or without a byte order mark, and any line ends.

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
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds NUL bytes, so it is no UTF-8 text")
        return text
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected {what}, found no such file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error}). {advice}") from error
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
    """Read a YAML file; errors as :func:`read_json`."""
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
def understood(place: Path | str, what: str) -> Iterator[None]:
    """Inside the block, content that does not fit together becomes a DataError that names the place.

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


def plain_name(name: Any) -> bool:
    """True for the name of a file: a text that leads into no other folder on any system."""
    return (
        isinstance(name, str)
        and name.strip() not in ("", ".", "..")
        and not set(name) & {"/", "\\"}
        and not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name)
        and not PureWindowsPath(name).drive
    )


def inside(path: Path, folder: Path) -> Path:
    """The path itself, if it lies in the folder after all links are followed.

    Raises:
        DataError: it leads out, and the environment variable ``VAD_FOLLOW_LINKS`` does not allow it.
    """
    if not leads_out(path, folder):
        return path
    raise DataError(
        f"{path}: leads out of {folder} (to {os.path.realpath(path)}) and is not followed. Copy it, or set the environment "
        f"variable {LINKS_VARIABLE}=1 if such links are meant."
    )


def leads_out(path: Path, folder: Path) -> bool:
    """True if a path lies outside the folder after all links are followed; False if a person allowed such links."""
    if os.environ.get(LINKS_VARIABLE, "") not in ("", "0"):
        return False
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


# --- arrays -------------------------------------------------------------------------------------------
def write_array(target: Path | str, array: np.ndarray) -> Path:
    """Write one array as ``.npy`` atomically, without pickling."""
    with atomic_path(target) as temporary:
        np.save(temporary, array, allow_pickle=False)
    return Path(target)


def write_arrays(target: Path | str, arrays: dict[str, np.ndarray]) -> Path:
    """Write named arrays as a compressed ``.npz`` atomically; names must be free of ``/``-problems of zip."""
    with atomic_path(target) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    return Path(target)


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
                return np.memmap(stream, dtype=dtype, mode="r", offset=stream.tell(), shape=shape, order=order)
            return np.fromfile(stream, dtype=dtype, count=math.prod(shape)).reshape(shape, order=order)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: expected a .npy array, found no such file.") from None
    except (ValueError, EOFError, OSError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: expected a plain .npy array, but it cannot be read ({error}). It may be truncated, of "
            "another format, or hold pickled objects, which are never loaded: save it again as a plain array."
        ) from error


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file; never unpickles. Errors as in :func:`read_array`."""
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


def _array_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], str, np.dtype]:
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


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def content_hash(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of dictionary keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
