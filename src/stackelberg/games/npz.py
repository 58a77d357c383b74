"""Named arrays from and to NPZ bytes: no pickle, and every size is checked before anything is allocated."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._disk import printable
from .._errors import FileError


ARCHIVE, ARRAY, ANNOUNCED = "E-NPZ-001", "E-NPZ-002", "E-NPZ-003"

MEMBER_LIMIT = 64
_MAGIC = b"\x93NUMPY"

# The header as NumPy writes it. NumPy's own reader compiles it as Python source, which is more than is needed here.
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[biufcU]\d{1,5})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,10}, ?)*\d{0,10})\), \}\s*"
)

# What zipfile and NumPy raise on damaged bytes.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
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
    length = (
        int.from_bytes(raw[8:10], "little") + 10 if raw[6:7] == b"\x01" else int.from_bytes(raw[8:12], "little") + 12
    )
    header = _HEADER.fullmatch(raw[:length][10 if raw[6:7] == b"\x01" else 12 :]) if raw[:6] == _MAGIC else None
    if header is None:
        raise FileError(
            ARRAY,
            shown,
            found=f"its member {printable(member.filename, 60)!r} is no array of numbers or text",
            remedy="Store numbers and text only, with numpy.savez",
        )
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(size) for size in header[3].replace(b" ", b"").split(b",") if size)
    if math.prod(shape) * dtype.itemsize != len(raw) - length:
        raise FileError(
            ARRAY,
            shown,
            found=f"its array {printable(member.filename, 60)!r} of type {dtype} and shape {shape} does not fit its "
            f"{len(raw) - length:,} bytes",
            remedy="Write it again with numpy.savez",
        )
    array = np.frombuffer(raw, dtype=dtype, count=math.prod(shape), offset=length)
    return _plain(array.reshape(shape, order="F" if header[2] == b"True" else "C"))


def _plain(array: np.ndarray) -> Any:
    if array.dtype.kind == "U" or array.ndim == 0:
        return array.tolist()
    return array.astype(array.dtype.newbyteorder("="))
