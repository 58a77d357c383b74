"""Named arrays from and to NPZ bytes: no pickle, and every size is checked before anything is allocated."""

from __future__ import annotations

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._disk import printable
from .._errors import FileError


ARCHIVE, ARRAY, ANNOUNCED = "E-NPZ-001", "E-NPZ-002", "E-NPZ-003"

MEMBER_LIMIT = 64
_HEADER_LIMIT = 10_000

# What zipfile and NumPy's header parser raise on damaged bytes.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    MemoryError,
)


def read_arrays(data: bytes, shown: str, limit: int) -> dict[str, Any]:
    """The arrays in an NPZ archive: text as `str` or lists of `str`, single numbers as numbers, the rest as arrays.

    At most `limit` bytes are unpacked and `MEMBER_LIMIT` members read; the header of each array must agree with the
    length of its data. Raises `FileError` otherwise.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_sizes(members, shown, limit)
            return {_name(member, shown): _array(archive, member, shown) for member in members}
    except FileError:
        raise
    except _DAMAGE as problem:
        raise FileError(
            ARCHIVE,
            shown,
            found=f"it is no intact NPZ archive ({printable(str(problem) or type(problem).__name__, 80)})",
            remedy="Write it again with stackelberg.write_game or numpy.savez",
        ) from problem


def write_arrays(arrays: Mapping[str, Any]) -> bytes:
    """`arrays` as an NPZ archive."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
    return buffer.getvalue()


def _check_sizes(members: list[zipfile.ZipInfo], shown: str, limit: int) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > MEMBER_LIMIT or total > limit:
        raise FileError(
            ANNOUNCED,
            shown,
            found=f"it announces {len(members):,} arrays and {total:,} bytes; at most {MEMBER_LIMIT} arrays and "
            f"{limit:,} bytes are unpacked",
            remedy="Check that it is the right file; a larger limit can be given as `limit`",
        )
    if len({member.filename for member in members}) < len(members):
        raise FileError(ARCHIVE, shown, found="it holds one name twice", remedy="Write it again")


def _name(member: zipfile.ZipInfo, shown: str) -> str:
    name = member.filename.removesuffix(".npy")
    if not member.filename.endswith(".npy") or not name.isidentifier():
        raise FileError(
            ARRAY,
            shown,
            found=f"its member {printable(member.filename, 60)!r} is no array of a game",
            remedy="Leave only the fields of the game in the archive",
        )
    return name


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str) -> Any:
    with archive.open(member) as stream:
        raw = stream.read(member.file_size + 1)
    buffer = io.BytesIO(raw)
    version = np.lib.format.read_magic(buffer)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(buffer, max_header_size=_HEADER_LIMIT)
    else:
        header = np.lib.format.read_array_header_2_0(buffer, max_header_size=_HEADER_LIMIT)
    shape, fortran, dtype = header
    rest = len(raw) - buffer.tell()
    count = math.prod(shape)
    if dtype.kind not in "biufcU" or min(shape, default=1) < 0 or count * dtype.itemsize != rest:
        raise FileError(
            ARRAY,
            shown,
            found=f"its array {printable(member.filename, 60)!r} of type {dtype} and shape {shape} does not fit its "
            f"{rest:,} bytes, or holds objects",
            remedy="Store numbers and text only, with numpy.savez",
        )
    array = np.frombuffer(raw, dtype=dtype, count=count, offset=buffer.tell())
    return _plain(array.reshape(shape, order="F" if fortran else "C"))


def _plain(array: np.ndarray) -> Any:
    if array.dtype.kind == "U" or array.ndim == 0:
        return array.tolist()
    return array.astype(array.dtype.newbyteorder("="))
