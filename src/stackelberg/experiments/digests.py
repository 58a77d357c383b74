"""Bytes that stand for values, and fingerprints of bytes."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from .._errors import FileError
from .._json import parse_json
from .._record import plain


def canonical(value: Any) -> bytes:
    """The one way in which a value is written: JSON, keys sorted, no blanks, numbers that read back exactly."""
    return _written(plain(value))


def sha256(data: bytes) -> str:
    """The fingerprint of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def crc(data: bytes) -> str:
    """A short check of one line, eight hexadecimal digits."""
    return f"{zlib.crc32(data):08x}"


def sealed(fields: Mapping[str, Any]) -> bytes:
    """`fields` as a readable JSON file that carries its own fingerprint, `digest`."""
    content = {name: plain(value) for name, value in fields.items()}
    content["digest"] = digest(content)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def digest(content: Mapping[str, Any]) -> str:
    """The fingerprint of what a sealed file says (plain values), however its blanks stand."""
    return sha256(_written({name: value for name, value in content.items() if name != "digest"}))


def unsealed(data: bytes, schema: str) -> dict[str, Any]:
    """What `sealed` wrote, or a `ValueError` that says what is wrong with it."""
    try:
        content = parse_json(data.decode("utf-8"), schema)
    except (ValueError, FileError, RecursionError) as problem:
        raise ValueError("it is not JSON") from problem
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise ValueError(f"it does not say that it is {schema}")
    try:
        fingerprint = digest(content)
    except (ValueError, TypeError, RecursionError) as problem:
        raise ValueError("it holds a value that is never written") from problem
    if content.get("digest") != fingerprint:
        raise ValueError("its fingerprint does not fit its content")
    return {name: value for name, value in content.items() if name != "digest"}


def _written(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
