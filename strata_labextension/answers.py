"""What the routes answer, as records: the OpenAPI description is made from them."""

from __future__ import annotations

from typing import Any

import msgspec

from strata_kernel.domain.cell import Reason
from strata_kernel.runner.comparison import Variant
from strata_kernel.runner.inspection import Input


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is none: a sentence for people and a word for programs."""

    message: str
    reason: str


class StoreStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Where the store is and what it holds; sizes in bytes."""

    path: str
    remote: str | None
    size: int
    limit: int
    entries: int
    programs: int
    blobs: int
    pins: int
    leases: int
    temporary_bytes: int


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The size in bytes that a collection comes down to; that of the settings when left out."""

    max_bytes: int | None = None


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection removed and left; sizes in bytes."""

    removed: int
    blobs: int
    freed: int
    kept: int
    kept_bytes: int


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A declared worker; `written`: whether the settings file declares it, so that it can be changed from here.

    `config` is the backend's, with literal secrets blank.
    """

    name: str
    backend: str
    address: str
    runtime_id: str | None
    config: dict[str, Any]
    written: bool


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A declared mount, and what is kept of it here: files, bytes, when the last came (seconds since the epoch)."""

    name: str
    uri: str
    mode: str
    pin: str | None
    options: dict[str, Any]
    written: bool
    files: int
    size: int
    fetched: float | None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A declared connection: its engine, and where that is; `config` is all that is declared, literal secrets blank."""

    name: str
    driver: str
    where: str
    config: dict[str, Any]
    written: bool


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings of a notebook's folder declare: `file` is where changes are written, `worker` the default."""

    file: str
    worker: str
    workers: list[Worker]
    mounts: list[Mount]
    connections: list[Connection]
    problems: list[str]


class WorkerDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A worker to declare; `former` is the name of the one that it takes the place of."""

    name: str
    backend: str = "http"
    runtime_id: str | None = None
    config: dict[str, Any] = {}
    former: str | None = None


class MountDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A mount to declare; `former` is the name of the one that it takes the place of."""

    name: str
    uri: str
    mode: str = "ro"
    pin: str | None = None
    options: dict[str, Any] = {}
    former: str | None = None


class ConnectionDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to declare, `config` beside its name; `former` is the name of the one that it takes the place of."""

    name: str
    config: dict[str, Any] = {}
    former: str | None = None


class CellStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How a cell stands without running it: `seconds` is what its kept run took."""

    id: str
    label: str | None
    state: str
    reasons: list[Reason]
    reads: list[str]
    writes: list[str]
    upstream: list[str]
    pinned: bool
    seconds: float | None


class NotebookStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Every code cell of a notebook on disk, in order."""

    path: str
    cells: list[CellStanding]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an artifact: `where` is local, remote, manifest (it is so small that it lies there) or missing."""

    where: str
    size: int
    hash: str | None = None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A named output; `size` in bytes is None where several names share it or nothing is kept, for `reason`."""

    name: str
    shared_with: list[str]
    kind: str
    type: str
    shape: list[int] | None
    size: int | None
    version: str
    summary: str
    codec: str | None
    stored: list[Place]
    reason: Reason | None


class CellDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Why a cell stands as it does, what it read and what its newest kept run left; `current` as in Preview."""

    path: str
    cell: CellStanding
    text: str
    inputs: list[Input]
    current: bool
    key: str | None
    artifacts: list[Artifact]


class TablePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a table; `total` is None when counting would mean reading all of it."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    offset: int
    total: int | None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A picture in base64."""

    media_type: str
    base64: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact and as much of it as can be shown without running anybody's code.

    `current` tells whether the run that made it stands for the cell as it is now.
    """

    artifact: Artifact
    current: bool
    table: TablePage | None = None
    text: str | None = None
    image: Image | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The variants of one group, in the notebook's order."""

    group: str
    variants: list[Variant]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All variants of a notebook, as far as the store holds their runs."""

    path: str
    groups: list[Group]


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs were removed, and how many a shared store did not let go."""

    removed: int
    left: int


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """The cells whose kept runs are pinned, or are not any more."""

    cells: list[str]
