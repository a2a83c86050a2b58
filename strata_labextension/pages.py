"""Rows of a table from formats that are nothing but values; a pickle is code and is never opened here."""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

from strata_labextension.answers import Image, TablePage
from strata_labextension.refusal import Refusal

#: A text is shown up to so many characters, a picture up to so many bytes.
TEXT, IMAGE = 20_000, 4_000_000
#: What a browser's numbers hold exactly.
_EXACT = 2**53
_LONGEST = 1000

Batches = tuple[Any, Iterable[Any], int | None]


def _arrow(content: memoryview) -> Batches:
    import pyarrow as pa

    source = pa.py_buffer(content)
    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        stream = pa.ipc.open_stream(source)
        return stream.schema, stream, None
    counted = sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))
    return file.schema, (file.get_batch(i) for i in range(file.num_record_batches)), counted


def _parquet(content: memoryview) -> Batches:
    import pyarrow as pa
    from pyarrow import parquet

    file = parquet.ParquetFile(pa.BufferReader(content))
    return file.schema_arrow, file.iter_batches(), file.metadata.num_rows


def _csv(content: memoryview) -> Batches:
    import pyarrow as pa
    from pyarrow import csv

    reader = csv.open_csv(pa.BufferReader(content))
    return reader.schema, reader, None


#: By codec of a value, or by ending of a file's name.
TABLES: dict[str, Callable[[memoryview], Batches]] = {
    "arrow": _arrow,
    "feather": _arrow,
    "parquet": _parquet,
    "csv": _csv,
}


def table(kind: str, content: memoryview, offset: int, limit: int) -> TablePage:
    """Return rows of the table; raise Refusal (422) when the bytes are not what their name says."""
    import pyarrow as pa

    try:
        schema, batches, total = TABLES[kind](content)
        rows = _rows(batches, offset, limit)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(422, "unreadable", f"this is no {kind} table: {error}") from error
    return TablePage(
        columns=[str(n) for n in schema.names],
        types=[str(t) for t in schema.types],
        rows=rows,
        offset=offset,
        total=total,
    )


def _rows(batches: Iterable[Any], offset: int, limit: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for batch in batches:
        if offset < batch.num_rows:
            columns = [c.to_pylist() for c in batch.slice(offset, limit - len(rows)).columns]
            rows += [[plain(v) for v in row] for row in zip(*columns, strict=True)]
        offset = max(offset - batch.num_rows, 0)
        if len(rows) >= limit:
            break
    return rows


def plain(value: Any) -> Any:
    """Return the value where JSON and a browser hold it exactly, else its text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) <= _EXACT:
        return value
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def picture(name: str, content: memoryview) -> Image | None:
    """Return a file as a picture; None when its name does not say that it is one, or it is large."""
    kind, _ = mimetypes.guess_type(name)
    # An SVG can hold scripts.
    if kind is None or not kind.startswith("image/") or kind == "image/svg+xml" or content.nbytes > IMAGE:
        return None
    return Image(media_type=kind, base64=b64encode(content).decode())


def text(content: memoryview) -> str | None:
    """Return the beginning of a file as text, None when it is none."""
    head = bytes(content[: 4 * TEXT])
    if b"\0" in head:
        return None
    try:
        shown = head.decode("utf-8", "ignore" if content.nbytes > len(head) else "strict")
    except UnicodeDecodeError:
        return None
    return shown if len(shown) <= TEXT else shown[:TEXT] + "…"
