"""What the engine asks of the world: a few narrow protocols that adapters implement."""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from strata_kernel.domain.cell import Cell, Reason, Task
from strata_kernel.domain.dispatch import Away, Dispatch
from strata_kernel.domain.manifest import Artifact, Blob, Fact, FileOutput, Manifest, Reach
from strata_kernel.domain.terms import Terms


class Blobs(Protocol):
    """The content-addressed store: digest to bytes."""

    def put(self, chunks: Iterable[bytes | memoryview]) -> Blob:
        """Store the concatenated chunks; raise StoreError. A blob that is there already costs no write."""
        ...

    def get(self, blob: Blob) -> memoryview:
        """Map the blob copy-on-write: writable, the store untouched; raise StoreError when absent or corrupt."""
        ...

    def has(self, blob: Blob) -> bool:
        """Tell whether the blob is there with its full size."""
        ...


class Actions(Protocol):
    """The action cache: (program, key) to manifest."""

    def entries(self, program: str) -> list[Manifest]:
        """Return the manifests of a program that this user signed, newest first; broken ones are left out."""
        ...

    def publish(self, manifest: Manifest) -> None:
        """Write a manifest whose blobs are stored, atomically, replacing one of the same key; raise StoreError."""
        ...

    def discard(self, manifest: Manifest) -> None:
        """Remove the manifest, if it is there."""
        ...

    def used(self, manifest: Manifest) -> None:
        """Note that the manifest served, so that it is collected later; never raises."""
        ...


class Store(Blobs, Actions, Protocol):
    """Both halves of one store."""


class World(Protocol):
    """What lies outside the notebook, as it is now."""

    def look_anew(self) -> None:
        """Take nothing that was learned of other machines for how it is now."""
        ...

    def observe(self, kind: str, name: str) -> Fact | None:
        """Return the fact as it holds now, None when it cannot be told."""
        ...

    def sight(self, fact: Fact) -> str:
        """Return a digest of what stands now where a fact about a file or a folder looked."""
        ...

    def facts_of(self, modules: Iterable[str]) -> tuple[Fact, ...]:
        """Return the facts behind imported modules: the sources of local ones, the distributions of others."""
        ...

    def behind(self, modules: Iterable[str]) -> set[str]:
        """Return the names of the user's own modules among these, and of those that they import."""
        ...

    def sources_of(self, modules: Iterable[str]) -> dict[str, bytes]:
        """Return the files of the user's own modules among these, and of those that they import, by relative path."""
        ...

    def holds(self, fact: Fact) -> bool:
        """Tell whether the fact still holds: by its stat where that is proof, else by its digest."""
        ...


class Group(Protocol):
    """Names that share mutable state, encoded together; `reason` is set when they have no exact stored form."""

    names: tuple[str, ...]
    stream: bytes
    buffers: list[memoryview]
    content: str | None
    reach: Reach
    reason: Reason | None
    immutable: bool
    summary: dict[str, str]


class Values(Protocol):
    """Live values to stored ones and back."""

    def group(self, values: dict[str, Any], held: Mapping[str, Any] | None = None) -> list[Group]:
        """Partition the values into units and encode each; never raises for what a value does.

        `held` is what the process holds of them since just now, by what a person calls the place.
        """
        ...

    def immutable(self, value: Any) -> bool:
        """Tell cheaply whether nothing reachable from the value can be changed."""
        ...

    def can_change(self, value: Any) -> bool:
        """Tell whether calling a function or class may change it: by a default, a closure, an attribute of its own."""
        ...

    def sign(self, value: Any) -> tuple[object, ...] | str:
        """Return what tells a definition from what it may be later."""
        ...

    def stands(self, value: Any, before: tuple[object, ...] | str) -> bool:
        """Tell whether a definition still is as its sign says."""
        ...

    def load(self, artifact: Artifact, names: tuple[str, ...], blobs: Blobs) -> dict[str, Any]:
        """Decode a saved unit; raise CodecError or StoreError."""
        ...

    def register(self, value: Any, name: str, lineage: str) -> bool:
        """Make a function or class of the notebook known, so that others refer to it; False when it is neither."""
        ...

    def lineage(self, value: Any) -> str | None:
        """Return the lineage of a definition that is known, None for other values."""
        ...

    def live(self, name: str, lineage: str) -> object | None:
        """Return the object that stands for a definition, None when there is none."""
        ...

    def alter(self, name: str, lineage: str) -> None:
        """Note that the object which stands for the definition no longer is as it was made."""
        ...

    def retire(self, name: str, lineage: str) -> None:
        """Let no object stand for the definition any more; what refers to the one that did has been taken away."""
        ...

    def define(self, source: str, name: str, line: int) -> Any:
        """Execute a definition in the live namespace and return what it makes, leaving the name as it was."""
        ...

    def intact(self, group: Group) -> bool:
        """Tell whether the live memory of the group still is what was digested."""
        ...


class Ran(msgspec.Struct):
    """What executing a cell's source gave: iopub messages in final state, the error, and the wall time in seconds.

    `line`: the cell's own line at which it failed, 0 when that cannot be told.
    """

    outputs: list[dict[str, Any]] = []
    error: tuple[str, str, list[str]] | None = None
    seconds: float = 0.0
    live: bool = False
    result: bool = False
    line: int = 0


class Done(msgspec.Struct):
    """What a performer made: names to bind, the value that is shown, and what the run depended on and left behind.

    `facts` and `reasons` are as in `Observed`; `hidden` are units such as `conn:NAME` with their states.
    """

    binds: dict[str, Any] = {}
    shown: Any = None
    facts: tuple[Fact, ...] = ()
    hidden: dict[str, bytes | None] = {}
    reasons: tuple[Reason, ...] = ()


class Stage(Protocol):
    """Where a performer works: the notebook's variables and the page."""

    namespace: dict[str, Any]
    #: The user asked for this cell anew: nothing that is kept may answer it.
    forced: bool

    def show(self, bundle: dict[str, Any], display: str, *, update: bool) -> None:
        """Show a MIME bundle under the id of a display, anew or in place of what stands there."""
        ...


class Performer(Protocol):
    """Runs the tasks of one kind; what it raises is shown as the error of the cell."""

    def run(self, task: Task, stage: Stage) -> Done:
        """Execute; KeyboardInterrupt must come through."""
        ...


class Witness(Protocol):
    """Knows about facts of one kind that are neither files nor packages."""

    def look_anew(self) -> None:
        """Take nothing that was learned before for how it is now."""
        ...

    def holds(self, fact: Fact) -> bool:
        """Tell whether the fact still holds; False when that cannot be told."""
        ...


class Patch(msgspec.Struct):
    """An attribute of something in the process, or an entry where the holder is a dict, and its value before."""

    holder: Any
    name: str
    value: Any

    def standing(self, absent: object = None) -> Any:
        """Return what stands there now."""
        return (self.holder if isinstance(self.holder, dict) else vars(self.holder)).get(self.name, absent)


class Modules(Protocol):
    """The modules that the process has loaded."""

    def are_users(self, module: str) -> bool:
        """Tell whether a module that is loaded is the user's own, which can be unloaded and imported anew."""
        ...

    def users(self) -> Set[str]:
        """Return the names of the user's own modules that are loaded."""
        ...

    def load(self, module: str) -> None:
        """Import a module by its dotted name, if it can be."""
        ...

    def note(self) -> None:
        """Note the user's modules that are loaded by now, to read them anew once their files change."""
        ...

    def changed(self) -> bool:
        """Tell whether a file of the user's own modules has changed since it was loaded."""
        ...

    def unload(self) -> None:
        """Unload the user's own modules, so that an import makes them anew."""
        ...


#: Told of a statement of a cell once it has run.
Step = Callable[[ast.stmt], None]


class Host(Protocol):
    """The process that runs cells."""

    namespace: dict[str, Any]
    modules: Modules
    #: Names that were bound before the first cell, by files that nobody knows: no version tells what they hold.
    given: frozenset[str]

    def names(self) -> list[str]:
        """Return the names of the namespace that belong to the user."""
        ...

    async def execute(self, task: Task, audience: str, terms: Terms, step: Step | None = None) -> Ran:
        """Run the task on its terms; `audience` is client (shown at once), cell (shown in its own) or nobody.

        `step` is told of each statement once it has run.
        """
        ...

    def replay(self, outputs: list[dict[str, Any]]) -> None:
        """Show the client what a part of its cell showed when it ran."""
        ...

    async def relay(self, cell: Cell, audience: str, run: Callable[[Show], Awaitable[Away]]) -> Away:
        """Show a run in another place as the cell's own; an interrupt cancels `run`."""
        ...

    def quietly(self) -> AbstractContextManager[None]:
        """Let nothing reach the page: what values and modules show as they are made again was shown by their cells."""
        ...

    def observe(self) -> None:
        """Start to record what the process does."""
        ...

    def observed(self, candidates: Iterable[Any]) -> Observed:
        """Stop recording and return what was seen; `candidates` are values that may name files read unseen."""
        ...

    def installed(self) -> dict[str, Any]:
        """Return what cells have put where the process calls it or writes to it, by what a person calls the place."""
        ...

    def patch(self, module: str, path: str) -> Patch | None:
        """Return what stands at a dotted path below a module (or an attribute of one), None when it cannot be told."""
        ...

    def unpatch(self, patch: Patch) -> None:
        """Put back what stood there."""
        ...

    def apply(self, unit: str, state: bytes | None) -> None:
        """Set a hidden unit of the process, such as `rng:random` or `proc:cwd`; None is the state at start."""
        ...


Show = Callable[[str, dict[str, Any]], None]


class Executor(Protocol):
    """Another place where cells run: a worker, or many of them."""

    name: str
    #: How many cells are worth sending at a time, as far as that is known: at least one.
    capacity: int

    async def differences(self, facts: Iterable[Fact]) -> tuple[Reason, ...]:
        """Return in what the place differs from these facts about this one; raise WorkerError."""
        ...

    async def execute(self, dispatch: Dispatch, show: Show, store: Store) -> Away:
        """Run the cell there, showing its iopub messages as they come; what it leaves is in the store at the end.

        Cancelled once, it interrupts the cell and waits for its end. Raises WorkerError.
        """
        ...

    async def close(self) -> None:
        """Let go of the place: no more cells come."""
        ...


class Observed(msgspec.Struct):
    """What the process did while a cell ran.

    `facts` it depended on; `written`, `made` (folders) and `deleted` absolute paths; `modules` imported; `hidden` units
    it changed with their new states (None: as at start); `drawn` generators it read before seeding them; `reasons` it
    is not determined or cannot be undone (network, subprocess, threads, clock, entropy, effect, changed); `undo`: how
    an effect can be taken back nevertheless, by the name of its reason.
    """

    facts: tuple[Fact, ...] = ()
    written: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()
    hidden: dict[str, bytes | None] = {}
    drawn: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = ()
    undo: dict[str, Patch] = {}


class Files(Protocol):
    """The files that cells write."""

    def digest(self, path: str) -> str | None:
        """Return the digest of the bytes, None when there is no regular file."""
        ...

    def save(self, path: str, blobs: Blobs, limit: int) -> FileOutput:
        """Store what stands at the path; over `limit` bytes only its digest is recorded."""
        ...

    def restore(self, output: FileOutput, blobs: Blobs) -> None:
        """Put the file back as it was (or take it away, when the run had deleted it); raise StoreError."""
        ...
