"""Notebooks on disk, read without nbformat: a warm run has no time for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from strata_kernel.domain.cell import Cell
from strata_kernel.errors import InvocationError


class Notebook(msgspec.Struct, frozen=True):
    """The cells, the `strata` table of the notebook's metadata, and by cell the errors that it shows."""

    path: Path
    cells: list[Cell]
    metadata: dict[str, Any]
    errors: dict[str, str] = {}


def read(path: Path) -> Notebook:
    """Read a notebook of format 4; raise InvocationError with one clear line."""
    try:
        content = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise InvocationError(f"{path}: there is no such notebook") from None
    except OSError as error:
        raise InvocationError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvocationError(f"{path}: is no notebook: {error}") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise InvocationError(f"{path}: is no notebook of format 4")
    metadata = content.get("metadata")
    own = metadata.get("strata") if isinstance(metadata, dict) else None
    found = [_cell(path, i, c) for i, c in enumerate(cells)]
    errors = {f.id: text for f, c in zip(found, cells, strict=True) if (text := _error(c)) is not None}
    return Notebook(path, found, own if isinstance(own, dict) else {}, errors)


def _error(cell: dict[str, Any]) -> str | None:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and output.get("output_type") == "error":
            return f"{output.get('ename')}: {output.get('evalue')}"
    return None


def _cell(path: Path, index: int, cell: dict[str, Any]) -> Cell:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise InvocationError(f"{path}: is no notebook: the source of cell {index + 1} is no text")
    identity = cell.get("id")
    # Before format 4.5 cells had no ids: their place names them.
    return Cell(
        identity if isinstance(identity, str) else f"cell-{index + 1}", source, str(cell.get("cell_type", "raw"))
    )


def notebooks(path: Path) -> list[Path]:
    """Return the notebook, or all notebooks below a folder in order; raise InvocationError when there is none."""
    if not path.is_dir():
        if not path.exists():
            raise InvocationError(f"{path}: there is no such notebook or folder")
        return [path]
    found = sorted(_below(path))
    if not found:
        raise InvocationError(f"{path}: there is no notebook below this folder")
    return found


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if name.endswith(".ipynb") and not name.startswith("."))


def code_ids(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield (id, cell) of the code cells of an nbformat notebook, named as `read` names them."""
    for index, cell in enumerate(content.cells):
        if cell.cell_type == "code":
            yield cell.get("id") or f"cell-{index + 1}", cell
