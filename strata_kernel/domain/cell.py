"""Cells and the document they stand in."""

from __future__ import annotations

import msgspec


class Cell(msgspec.Struct, frozen=True):
    """One cell as the client shows it: `id` is unique in its document, `kind` is code, markdown or raw."""

    id: str
    source: str
    kind: str = "code"


class Aside(Cell, frozen=True):
    """A cell that leaves nothing to those below, but through a cell that gathers what it made."""


class Lane(msgspec.Struct, frozen=True):
    """One of several ways through the document: its name, and the cells on it in order."""

    name: str
    cells: tuple[str, ...]


class Spread(Cell, frozen=True):
    """A cell that is run once on each lane, starting from what those before it on that lane made.

    What they and it bind stands below as a dict by lane.
    """

    lanes: tuple[Lane, ...] = ()


class Gather(Spread, frozen=True):
    """Stands in no document: it only gathers what its `members`, one on each lane, have made."""

    members: tuple[Cell, ...] = ()


class Task(msgspec.Struct, frozen=True):
    """What a process is to execute for a cell: a source, by the performer of its kind.

    `part` tells which piece of the cell it is, such as one pass of a loop; the whole cell has none.
    """

    cell: Cell
    source: str
    kind: str = "python"
    part: str = ""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something was decided: `code` for programs, `text` for people, line counted from 1 in the cell."""

    code: str
    text: str
    cell: str | None = None
    name: str | None = None
    line: int | None = None
