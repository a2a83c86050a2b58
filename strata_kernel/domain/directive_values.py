"""The values of directives, as records."""

from __future__ import annotations

from typing import Literal

import msgspec

Policy = Literal["off", "frozen", "forever", "session", "ttl", "snapshot", "fingerprint"]


class Item(msgspec.Struct, frozen=True):
    """One directive in the source: lines count from 1, columns from 0; `end` is where the value ends."""

    name: str
    value: str
    line: int
    column: int
    value_column: int
    end: int


class CachePolicy(msgspec.Struct, frozen=True):
    """How long results hold; `seconds` belongs to ttl."""

    policy: Policy
    seconds: float | None = None


class Mount(msgspec.Struct, frozen=True):
    """A folder elsewhere that the cell sees as a path.

    `pin` stands for its content, which is then not looked at; `options` are those of its file system, as JSON, secrets
    as `${VAR}` only.
    """

    name: str
    uri: str
    mode: Literal["ro", "rw"] = "ro"
    pin: str | None = None
    options: str = ""


class Declared(msgspec.Struct, frozen=True):
    """A dependency that observation could not see."""

    kind: Literal["file", "env", "dist"]
    name: str


class Loop(msgspec.Struct, frozen=True):
    """Run the cell repeatedly and carry variables; `start_from` is (cell, pass), passes counted from 0."""

    max_iter: int
    carry: tuple[str, ...]
    start_from: tuple[str, int] | None = None


class TableInput(msgspec.Struct, frozen=True):
    """An Iceberg table as an input."""

    name: str
    warehouse: str
    table: str
    snapshot: int | None = None


class Sql(msgspec.Struct, frozen=True):
    """Where a sql cell runs and whether it may write."""

    connection: str
    write: bool = False
