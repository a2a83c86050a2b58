"""Every message of the comm `strata`, in both directions, as tagged records; names are camelCase on the wire."""

from __future__ import annotations

import inspect
import json
from typing import Any, Literal, get_args

import msgspec

from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.diagnostic import Diagnostic

PROTOCOL = 1
TARGET = "strata"

State = Literal[
    "new",
    "fresh",
    "served",
    "edited",
    "stale",
    "servable",
    "frozen",
    "always",
    "running",
    "queued",
    "saving",
    "dispatching",
    "blocked",
    "failed",
    "interrupted",
]
STATES: tuple[State, ...] = get_args(State)


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type", omit_defaults=True):
    """What all messages share; a field that is not known is ignored, one that is absent has its default."""


# Frontend to kernel


class Hello(_Wire, frozen=True, kw_only=True, tag="hello", omit_defaults=False):
    """The first message: the frontend's protocol, the notebook's path, and whether it takes states by the dozen."""

    protocol: int
    path: str = ""
    batches: bool = False


class Document(_Wire, frozen=True, kw_only=True, tag="document", omit_defaults=False):
    """The whole document, in order, and the active variant of each group."""

    revision: int
    cells: list[Cell]
    variants: dict[str, str] = {}


class DocumentPatch(_Wire, frozen=True, kw_only=True, tag="document-patch"):
    """What changed since the former revision: new or edited cells, and the order of all ids when it changed."""

    revision: int
    cells: list[Cell] = []
    order: list[str] | None = None
    variants: dict[str, str] | None = None


class RequestPlan(_Wire, frozen=True, kw_only=True, tag="request-plan"):
    """Ask what running the targets would do; `id` comes back in the answer."""

    id: str
    targets: list[str] = []
    mode: Literal["stale", "force"] = "stale"


class RequestInspect(_Wire, frozen=True, kw_only=True, tag="request-inspect"):
    """Ask about a cell or a name."""

    id: str
    cell: str | None = None
    name: str | None = None


class RequestPreview(_Wire, frozen=True, kw_only=True, tag="request-preview"):
    """Ask to see a value that a cell left, of a loop after that pass, counted from 0; of a table, these rows."""

    id: str
    cell: str
    name: str
    offset: int = 0
    limit: int = 50
    place: int | None = None


class RequestPictures(_Wire, frozen=True, kw_only=True, tag="request-pictures"):
    """Ask for the pictures that some passes of a loop showed, counted from 0."""

    id: str
    cell: str
    first: int
    count: int


class RequestSchema(_Wire, frozen=True, kw_only=True, tag="request-schema"):
    """Ask what a declared connection reaches now: its engine and tables, or the columns of one table."""

    id: str
    connection: str
    table: str | None = None


class SettingsChanged(_Wire, frozen=True, kw_only=True, tag="settings-changed"):
    """The settings file has been changed: the kernel need not wait for the next cell to look at it."""


class RequestExplain(_Wire, frozen=True, kw_only=True, tag="request-explain"):
    """Ask how the database would run the query of a sql cell; `id` comes back in the answer."""

    id: str
    cell: str


class Refresh(_Wire, frozen=True, kw_only=True, tag="refresh", omit_defaults=False):
    """Run these cells anew the next time that they are run, whatever is cached."""

    cells: list[str]


class Forget(_Wire, frozen=True, kw_only=True, tag="forget", omit_defaults=False):
    """What was kept of these cells has been removed from the store."""

    cells: list[str]


class Queued(_Wire, frozen=True, kw_only=True, tag="queued", omit_defaults=False):
    """All cells that the frontend has asked to run or is about to, and that have not run yet; `force`: all anew.

    It takes the place of what was said before. Those that run on workers may begin ahead of their turns.
    """

    cells: list[str]
    force: bool = False


class SetOption(_Wire, frozen=True, kw_only=True, tag="set-option"):
    """Change options of this session, such as `cascade`."""

    options: dict[str, Any] = {}


# Kernel to frontend


class Welcome(_Wire, frozen=True, kw_only=True, tag="welcome", omit_defaults=False):
    """The answer to hello."""

    version: str
    protocol: int = PROTOCOL
    options: dict[str, Any] = {}


class Node(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cell in the graph: the names it reads and writes, and the cells it depends on."""

    id: str
    label: str = ""
    kind: str = "python"
    reads: list[str] = []
    writes: list[str] = []
    upstream: list[str] = []


class Graph(_Wire, frozen=True, kw_only=True, tag="graph", omit_defaults=False):
    """The graph of one revision of the document."""

    revision: int
    cells: list[Node]


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far something long has come.

    `label` says of what: `pass` counts those of a loop; `fetching`, `writing` (both of mounts), `sending` and
    `receiving` (both of workers) count bytes.
    """

    done: float
    total: float | None = None
    label: str = ""


class CellStatus(_Wire, frozen=True, kw_only=True, tag="cell-status"):
    """The state of one cell and why it is so.

    `run_ms` is how long the run behind its value took, `ran_at` when it ended, in milliseconds since the epoch.
    """

    id: str
    state: State
    reasons: list[Reason] = []
    hit: bool | None = None
    saved_ms: float | None = None
    run_ms: float | None = None
    ran_at: float | None = None
    worker: str | None = None
    progress: Progress | None = None


class CellStatuses(_Wire, frozen=True, kw_only=True, tag="cell-statuses", omit_defaults=False):
    """States of many cells at once, for frontends that take them so."""

    items: list[CellStatus]


class CellOutputs(_Wire, frozen=True, kw_only=True, tag="cell-outputs", omit_defaults=False):
    """Outputs, as nbformat has them, of a cell that the kernel ran or served on behalf of another."""

    id: str
    outputs: list[dict[str, Any]]
    execution_count: int | None = None


class Diagnostics(_Wire, frozen=True, kw_only=True, tag="diagnostics", omit_defaults=False):
    """All findings on one cell; an empty list takes former ones back."""

    id: str
    items: list[Diagnostic]


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One cell of a plan: what would happen to it, why, and how long it took before."""

    cell: str
    action: Literal["serve", "run", "skip"]
    reasons: list[Reason] = []
    seconds: float | None = None


class Plan(_Wire, frozen=True, kw_only=True, tag="plan", omit_defaults=False):
    """The answer to request-plan."""

    id: str
    steps: list[Step]


class Inspection(_Wire, frozen=True, kw_only=True, tag="inspection"):
    """The answer to request-inspect: a text for people and the records behind it."""

    id: str
    cell: str | None = None
    name: str | None = None
    text: str = ""
    details: dict[str, Any] = {}


class TablePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some rows of a table; a value that JSON does not hold exactly is its text."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    offset: int
    total: int | None = None


class Preview(_Wire, frozen=True, kw_only=True, tag="preview"):
    """The answer to request-preview: rows, a picture (PNG in base64) or a text; else why there is none.

    Of a pass, how many passes there are to be seen, and the picture that it showed.
    """

    id: str
    cell: str
    name: str
    table: TablePage | None = None
    image: str | None = None
    text: str | None = None
    reason: str | None = None
    passes: int | None = None
    shown: str | None = None


class Pictures(_Wire, frozen=True, kw_only=True, tag="pictures", omit_defaults=False):
    """The answer to request-pictures: PNGs in base64 from the first on, None for none, and the number of passes."""

    id: str
    cell: str
    first: int
    passes: int
    items: list[str | None]


class Column(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One column of a table, its type in the engine's words."""

    name: str
    type: str


class Schema(_Wire, frozen=True, kw_only=True, tag="schema"):
    """The answer to request-schema: the engine with its version and the tables, or columns; else why there are none."""

    id: str
    connection: str
    table: str | None = None
    engine: str | None = None
    tables: list[str] | None = None
    columns: list[Column] | None = None
    reason: str | None = None


class Explanation(_Wire, frozen=True, kw_only=True, tag="explanation"):
    """The answer to request-explain: the plan in words, else why there is none."""

    id: str
    cell: str
    text: str | None = None
    reason: str | None = None


class WorkerItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One worker."""

    name: str
    state: str
    active: int = 0


class Workers(_Wire, frozen=True, kw_only=True, tag="workers", omit_defaults=False):
    """The workers that cells may name."""

    items: list[WorkerItem]


FromFrontend = (
    Hello | Document | DocumentPatch | RequestPlan | RequestInspect | RequestPreview | RequestPictures | RequestSchema
    | RequestExplain | Refresh | Forget | Queued | SetOption | SettingsChanged
)  # fmt: skip
FromKernel = (
    Welcome | Graph | CellStatus | CellStatuses | CellOutputs | Diagnostics | Plan | Inspection | Preview | Pictures
    | Schema | Explanation | Workers
)  # fmt: skip
Message = FromFrontend | FromKernel


def decode(message: Any) -> Message | None:
    """Return the message, or None when it is none that this version understands."""
    try:
        decoded: Message = msgspec.convert(message, Message)
    except (msgspec.ValidationError, RecursionError):
        return None
    return decoded


def encode(message: Message) -> dict[str, Any]:
    """Return the message as plain data for `comm.send`."""
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain


def schema() -> dict[str, Any]:
    """Return the JSON schema of all messages."""
    names = {"FromFrontend": FromFrontend, "FromKernel": FromKernel}
    (frontend, kernel), components = msgspec.json.schema_components(names.values(), ref_template="#/$defs/{name}")
    for component in components.values():
        # Whether msgspec does so itself depends on its version.
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "StrataMessage",
        "description": f"Messages of the comm `{TARGET}`, protocol {PROTOCOL}.",
        "anyOf": [{"$ref": "#/$defs/FromFrontend"}, {"$ref": "#/$defs/FromKernel"}],
        "$defs": {"FromFrontend": frontend, "FromKernel": kernel, **components},
    }


def schema_text() -> str:
    """Return the schema as it is committed."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
