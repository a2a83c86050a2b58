"""Injective digests of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blake3 import blake3

#: What `digest` accepts: nested plain values, told apart by type.
Plain = None | bool | int | float | str | bytes | Iterable["Plain"] | Mapping[str, "Plain"]

LENGTH = 20


def encode(value: Plain) -> bytes:
    """Return an injective encoding: equal bytes mean equal types and equal values, order of mappings aside."""
    match value:
        case None:
            return b"N"
        case bool():
            return b"T" if value else b"F"
        case int():
            return _framed(b"i", str(value).encode())
        case float():
            return _framed(b"f", value.hex().encode())
        case str():
            return _framed(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _framed(b"b", value)
        case Mapping():
            items = sorted((encode(k), encode(v)) for k, v in value.items())
            return _framed(b"m", b"".join(k + v for k, v in items))
        case _:
            return _framed(b"l", b"".join(encode(item) for item in value))


def _framed(tag: bytes, body: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(body), body)


def digest(*parts: Plain) -> str:
    """Return the BLAKE3 digest of the parts as 40 hexadecimal characters."""
    return str(blake3(encode(parts)).hexdigest(length=LENGTH))
