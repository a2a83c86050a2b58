"""The published executor protocol, `v1`: its words, and one cell of it as a worker's process is given it."""

from __future__ import annotations

from typing import Any

import msgspec

from strata_kernel.domain.dispatch import Dispatch
from strata_kernel.domain.manifest import Blob
from strata_kernel.domain.terms import Terms

VERSION = "v1"
#: What a request asks for, the protocol below it, and the form of the answer.
CELL, ENVELOPE, BUNDLE = "notebook_cell@v1", "notebook-cell-v1", "notebook-output-bundle@v1"
#: What answers to a request whose inputs were fetched.
PULL = "notebook-build-manifest@v1"
#: The headers that tell these.
VERSION_HEADER, ENVELOPE_HEADER = "X-Strata-Executor-Protocol", "X-Strata-Notebook-Executor-Protocol"
BUNDLE_HEADER = "X-Strata-Output-Format"
#: How a value is written, and how the names of such files end.
ARROW, PICKLE, JSON = "arrow/ipc", "pickle/object", "json/object"
PNG, MARKDOWN = "image/png", "text/markdown"
MODULE, DEFINITION = "module/import", "module/cell"
ENDINGS = {
    ARROW: ".arrow",
    PICKLE: ".pickle",
    JSON: ".json",
    MODULE: ".module.json",
    DEFINITION: ".cell_module.json",
    PNG: ".png",
    MARKDOWN: ".md",
}
#: Seconds that a request which names no limit has.
TIMEOUT = 30.0


class Input(msgspec.Struct, frozen=True):
    """A value that a cell is given; `injected` are those that its definition closes over."""

    name: str
    format: str
    content: Blob
    injected: tuple[Input, ...] = ()


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of a client that speaks `v1`; `changes` are the inputs that are wanted back as the cell leaves them."""

    id: str
    source: str
    terms: Terms
    inputs: tuple[Input, ...] = ()
    changes: tuple[str, ...] = ()

    def blobs(self) -> list[Blob]:
        """Return every blob that the run may read."""
        return [i.content for each in self.inputs for i in (each, *each.injected)]


class Variable(msgspec.Struct, frozen=True):
    """A value that an errand left: how and where it is written, or the `error` for which it is not."""

    name: str
    format: str = ""
    content: Blob | None = None
    about: dict[str, Any] = {}
    error: str = ""


class Job(msgspec.Struct, frozen=True):
    """What a worker hands to a process: a dispatch of our own protocol, or an errand."""

    dispatch: Dispatch | None = None
    errand: Errand | None = None


class Shown(msgspec.Struct, frozen=True):
    """What an errand that ended left: its outputs as iopub messages, its variables, and the error if it failed."""

    outputs: list[dict[str, Any]] = []
    variables: list[Variable] = []
    error: tuple[str, str, list[str]] | None = None
