"""What a run observed and produced: the one record that the action cache holds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from strata_kernel.domain.cell import Reason

FORMAT = 4

UnitKind = Literal["value", "module", "definition", "hidden"]


class Blob(msgspec.Struct, frozen=True):
    """A piece of the content-addressed store: BLAKE3 of its bytes (64 hex characters) and its size in bytes."""

    hash: str
    size: int


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A saved unit: `codec` names how `stream` and the out-of-band `buffers` become values again."""

    codec: str
    stream: Blob | None = None
    buffers: tuple[Blob, ...] = ()
    inline: bytes | None = None


#: How the path of a chain ends that decorates a definition, instead of being called for nothing.
DECORATES = "@"


class Chain(msgspec.Struct, frozen=True):
    """A dotted name that a statement calls or stores to: `root.path`, e.g. `plt` and `style.use`."""

    root: str
    path: str
    line: int


class Reach(msgspec.Struct, frozen=True, omit_defaults=True):
    """What code that travels inside a value can touch when it is called later.

    `names`: globals of the notebook it may read; `mentions`: identifiers in its string literals; `effects`: calls
    and stores that may change the process; `definitions`: notebook definitions it refers to, as (name, lineage);
    `modules`: what it may import.
    """

    names: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    effects: tuple[Chain, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    opaque: bool = False
    modules: tuple[str, ...] = ()


class Unit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group of names that share mutable state, as one run left it.

    `version` is provenance; `content` is a digest of the values where known; `artifact` is absent when the unit is
    recomputed instead, for `reason`; `size` is told in bytes when that is the reason. `lineage` is set for definitions:
    the version with which the object was made.
    """

    names: tuple[str, ...]
    version: str
    kind: UnitKind = "value"
    content: str | None = None
    artifact: Artifact | None = None
    reason: Reason | None = None
    reach: Reach = Reach()
    lineage: str | None = None
    summary: dict[str, str] = {}
    size: int = 0


FactKind = Literal["file", "absent", "dir", "env", "module", "dist", "cwd", "table", "mount"]


#: Between a module and the folder in which it is found, where that is not on the path from the start.
BESIDE = "@"


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something outside the notebook that a run saw: `digest` is its content, `stat` a cheap sign that it is unchanged.

    file: `name` is an absolute path, `stat` is (size, mtime_ns, ctime_ns, inode), `digest` of the bytes.
    absent: no file there. dir: digest of the sorted listing. env: digest of the value or "" when unset.
    module: an importable local module, digest of its sources and of those it imports; `module@folder` where a notebook
    put the folder on its path. dist: `digest` is the version.
    table: what a query read, `name` being the connection and what is known of its tables.
    mount: what stands at an address, by what its file system says of it (`domain/fingerprints.py`).
    cwd: the folder in which the kernel started, for runs that used relative paths; `name` is "start".
    """

    kind: FactKind
    name: str
    digest: str = ""
    stat: tuple[int, ...] = ()

    @property
    def package(self) -> str:
        """The top-level package of a fact about a module."""
        return self.name.partition(BESIDE)[0].partition(".")[0]


#: The digest of a folder that a run made.
FOLDER = "folder"


class FileOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file or folder that the run left behind: `digest` is None when the run took it away, FOLDER for a folder.

    `blob` is absent when the file was too large to be kept; `size`, in bytes, says so.
    """

    path: str
    digest: str | None
    blob: Blob | None = None
    mode: int = 0o644
    size: int = 0


class Dependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """A unit that the run depended on: the version in place, or "" for a name that was absent."""

    version: str
    content: str | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run of one action. `outputs` are iopub messages in final state: {"msg_type", "content"}.

    `alters` are the lineages of definitions that it changed where they stood: what refers to them changed with them.
    """

    program: str
    key: str
    reads: dict[str, Dependency]
    facts: tuple[Fact, ...] = ()
    units: tuple[Unit, ...] = ()
    deletes: tuple[str, ...] = ()
    alters: tuple[str, ...] = ()
    files: tuple[FileOutput, ...] = ()
    outputs: list[dict[str, Any]] | Blob = []
    reasons: tuple[Reason, ...] = ()
    effects: tuple[str, ...] = ()
    nonce: str = ""
    result: bool = False
    seconds: float = 0.0
    created: float = 0.0
    source: str = ""
    format: int = FORMAT
