"""Shows a value that a cell left: rows of a table, a picture, or text; for the main thread, while no cell runs."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from strata_kernel.domain.manifest import Manifest, Unit
from strata_kernel.engine.outputs import outputs_of
from strata_kernel.engine.session import Entry
from strata_kernel.errors import CodecError, StoreError
from strata_kernel.protocol import Pictures, Preview, RequestPictures, RequestPreview, TablePage

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge

#: Rows in one answer at most, characters of a text, bytes of a picture.
ROWS, TEXT, IMAGE = 1000, 20_000, 4_000_000
#: Pictures of passes in one answer at most, and characters of all of them together.
PICTURES, FILM = 24, 8_000_000
#: What a browser's numbers hold exactly.
_EXACT = 2**53
_LONGEST = 1000


class _Gone(Exception):
    """The value can be had neither from the process nor from the store; the text says why."""


def preview(bridge: Bridge, wanted: RequestPreview, entry: Entry | None) -> Preview:
    """Return what there is to see of a name that the cell bound; `entry` is what stands for the cell."""
    empty = Preview(id=wanted.id, cell=wanted.cell, name=wanted.name)
    manifest = entry.manifest if entry is not None else None
    if entry is not None and wanted.place is not None:
        # The last of them may still be on their way to the store.
        bridge.pipeline.publisher.catch_up()
        found = bridge.view.passes(entry)
        manifest = found[min(max(wanted.place, 0), len(found) - 1)].manifest if found else None
        picture = _picture(bridge, manifest) if manifest is not None else None
        empty = msgspec.structs.replace(empty, passes=len(found), shown=picture)
    unit = next((u for u in (manifest.units if manifest is not None else ()) if wanted.name in u.names), None)
    try:
        if unit is None:
            raise _Gone("nothing is kept of it: run the cell first")
        shown = _shown(bridge, _value(bridge, wanted.name, unit), wanted)
        return msgspec.structs.replace(shown, passes=empty.passes, shown=empty.shown)
    except _Gone as gone:
        reason = str(gone)
    except Exception as error:  # around the user's code: their classes show themselves
        reason = f"it cannot be shown: {type(error).__name__}: {error}"
    return msgspec.structs.replace(empty, reason=reason)


def pictures(bridge: Bridge, wanted: RequestPictures) -> Pictures:
    """Return what passes of a loop showed, for any thread: no value is made and nobody's code runs."""
    # The last of them may still be on their way to the store.
    bridge.pipeline.publisher.catch_up()
    entry = bridge.view.find(wanted.cell)
    found = bridge.view.passes(entry) if entry is not None else []
    first = min(max(wanted.first, 0), len(found))
    items: list[str | None] = []
    left = FILM
    for each in found[first : first + min(max(wanted.count, 0), PICTURES)]:
        shown = _picture(bridge, each.manifest)
        items.append(shown if shown is not None and len(shown) <= left else None)
        left -= len(items[-1] or "")
    return Pictures(id=wanted.id, cell=wanted.cell, first=first, passes=len(found), items=items)


def _picture(bridge: Bridge, manifest: Manifest) -> str | None:
    """Return the last picture that a run showed."""
    try:
        outputs = outputs_of(manifest, bridge.parts.store)
    except StoreError:
        return None
    pictures = [o.get("content", {}).get("data", {}).get("image/png") for o in outputs]
    found = next((p for p in reversed(pictures) if isinstance(p, str)), None)
    return found if found is None or len(found) <= IMAGE else None


def _value(bridge: Bridge, name: str, unit: Unit) -> Any:
    placement = bridge.pipeline.placement
    if placement.has(name, unit.version):
        return bridge.host.namespace[name]
    shelved = placement.shelf.get(unit.version, {})
    if name in shelved:
        return shelved[name]
    artifact = unit.artifact or placement.saved(unit.version)
    if artifact is None:
        raise _Gone(f"it is recomputed when needed: {unit.reason.text}" if unit.reason else "it is not kept")
    try:
        # An object of its own beside the notebook's: nothing that is done to it here reaches a cell.
        return bridge.pipeline.values.load(artifact, unit.names, placement.blobs)[name]
    except (CodecError, StoreError, KeyError) as error:
        raise _Gone(f"it cannot be read from the store: {error}") from error


def _shown(bridge: Bridge, value: Any, wanted: RequestPreview) -> Preview:
    try:
        page = _page(value, max(wanted.offset, 0), min(max(wanted.limit, 1), ROWS))
    except Exception:  # frames hold what Arrow has no type for; their text shows it
        page = None
    image = text = None
    if page is None:
        formatter = bridge.kernel.shell.display_formatter
        found, _ = formatter.format(value, include={"image/png", "text/plain"})
        picture, text = found.get("image/png") or _drawn(value), found.get("text/plain")
        image = b64encode(picture).decode() if isinstance(picture, bytes) else picture
        if image is not None and len(image) > IMAGE:
            image = None
        if text is not None and len(text) > TEXT:
            text = text[:TEXT] + "…"
    return Preview(
        id=wanted.id, cell=wanted.cell, name=wanted.name, table=page, image=image, text=None if image else text
    )


def _drawn(value: Any) -> bytes | None:
    """Return a figure of matplotlib as a PNG: IPython has no word for it until pyplot is imported."""
    if type(value).__module__ != "matplotlib.figure":
        return None
    from IPython.core.pylabtools import print_figure

    drawn: bytes | None = print_figure(value, "png")
    return drawn


def _page(value: Any, offset: int, limit: int) -> TablePage | None:
    """Return rows of a frame of pandas, polars or Arrow, through Arrow; None for other values."""
    family, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if family == "pandas" and kind in ("DataFrame", "Series"):
        import pyarrow as pa

        rows = value.iloc[offset : offset + limit]
        rows = rows.to_frame() if kind == "Series" else rows
        rows = rows.reset_index() if rows.index.nlevels > 1 else rows.reset_index(names="")
        rows.columns = [str(name) for name in rows.columns]
        table, total = pa.Table.from_pandas(rows), len(value)
    elif family == "polars" and kind == "DataFrame":
        table, total = value.slice(offset, limit).to_arrow(), value.height
    elif family == "pyarrow" and kind in ("Table", "RecordBatch"):
        table, total = value.slice(offset, limit), value.num_rows
    else:
        return None
    columns = [column.to_pylist() for column in table.columns]
    return TablePage(
        columns=[str(name) for name in table.schema.names],
        types=[str(kind) for kind in table.schema.types],
        rows=[[_plain(cell) for cell in row] for row in zip(*columns, strict=True)],
        offset=offset,
        total=total,
    )


def _plain(value: Any) -> Any:
    """Return the value where JSON and a browser hold it exactly, else its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, int) and abs(value) <= _EXACT:
        return value
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
