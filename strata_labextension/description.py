"""Writes the OpenAPI description from the records and the table below: `python -m strata_labextension.description`."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from strata_kernel.runner.places import Health
from strata_labextension import answers
from strata_labextension.handlers import MOST_ROWS, ROWS, DescriptionHandler

#: (path, method): (what it does, the arguments, the record that it answers, the record that it takes).
Operation = tuple[str, tuple[str, ...], type[msgspec.Struct] | None, type[msgspec.Struct] | None]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"description": "The notebook, as the contents API names it.", "schema": {"type": "string"}},
    "cell": {"description": "A cell, by id, name or position.", "schema": {"type": "string"}},
    "name": {
        "description": "What the cell binds, or `file:` and the path of a file that it wrote; a worker, a mount or "
        "a connection.",
        "schema": {"type": "string"},
    },
    "offset": {"description": "The first row of a table.", "schema": {"type": "integer", "minimum": 0, "default": 0}},
    "limit": {
        "description": "How many rows of a table; more than the maximum counts as the maximum.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MOST_ROWS, "default": ROWS},
    },
}

#: A trailing `?` marks an argument that may be left out.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("strata/store", "get"): ("Count what the store holds.", ("path?",), answers.StoreStatistics, None),
    ("strata/store/gc", "post"): (
        "Remove what was used least recently.",
        ("path?",),
        answers.Collection,
        answers.Limit,
    ),
    ("strata/notebook", "get"): ("Tell how every cell stands.", ("path",), answers.NotebookStanding, None),
    ("strata/cell", "get"): ("Tell why a cell stands as it does.", ("path", "cell"), answers.CellDetails, None),
    ("strata/artifact", "get"): (
        "Show what a cell left, without running code.",
        ("path", "cell", "name", "offset?", "limit?"),
        answers.Preview,
        None,
    ),
    ("strata/variants", "get"): ("Show variants side by side.", ("path",), answers.Comparison, None),
    ("strata/entries", "delete"): (
        "Remove the kept runs of a cell, or of all cells.",
        ("path", "cell?"),
        answers.Cleared,
        None,
    ),
    ("strata/pin", "put"): ("Keep what stands for a cell, or for all.", ("path", "cell?"), answers.Pinned, None),
    ("strata/pin", "delete"): ("Take pins away.", ("path", "cell?"), answers.Pinned, None),
    ("strata/declared", "get"): ("List declared workers, mounts and connections.", ("path?",), answers.Declared, None),
    ("strata/worker", "get"): ("Ask a declared worker how it is.", ("path?", "name"), Health, None),
    ("strata/worker", "put"): ("Declare a worker.", ("path?",), answers.Declared, answers.WorkerDeclaration),
    ("strata/worker", "delete"): ("Withdraw a worker.", ("path?", "name"), answers.Declared, None),
    ("strata/mount", "put"): ("Declare a mount.", ("path?",), answers.Declared, answers.MountDeclaration),
    ("strata/mount", "delete"): ("Withdraw a mount.", ("path?", "name"), answers.Declared, None),
    ("strata/connection", "put"): (
        "Declare a connection.",
        ("path?",),
        answers.Declared,
        answers.ConnectionDeclaration,
    ),
    ("strata/connection", "delete"): ("Withdraw a connection.", ("path?", "name"), answers.Declared, None),
    ("strata/openapi.json", "get"): ("Return this description.", (), None, None),
}


def describe() -> dict[str, Any]:
    """Return the description."""
    from strata_kernel import __version__

    records = [answers.Trouble, *(r for _, _, given, taken in OPERATIONS.values() for r in (given, taken) if r)]
    _, components = msgspec.json.schema_components(
        list(dict.fromkeys(records)), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Any] = {}
    for (path, method), operation in OPERATIONS.items():
        paths.setdefault(f"/{path}", {})[method] = _operation(f"{method}-{path}", *operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Strata for Jupyter",
            "version": __version__,
            "description": "What needs no kernel: the store, and notebooks on disk. Paths are below the server's base "
            "URL; every route wants the server's token or cookie, and the right to read or write `strata`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        },
    }


def _operation(
    name: str,
    summary: str,
    arguments: tuple[str, ...],
    given: type[msgspec.Struct] | None,
    taken: type[msgspec.Struct] | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": name.replace("/", "-").replace(".", "-"), "summary": summary}
    if arguments:
        found["parameters"] = [
            {"name": a.rstrip("?"), "in": "query", "required": not a.endswith("?"), **ARGUMENTS[a.rstrip("?")]}
            for a in arguments
        ]
    if taken is not None:
        found["requestBody"] = {"required": False, "content": _json(taken)}
    found["responses"] = {
        "200": {"description": "Done.", "content": _json(given)},
        "default": {"description": "Refused: the reason is a word for programs.", "content": _json(answers.Trouble)},
    }
    return found


def _json(record: type[msgspec.Struct] | None) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{record.__name__}"} if record else {"type": "object"}
    return {"application/json": {"schema": schema}}


def written() -> str:
    """Return the description as the package holds it."""
    return json.dumps(describe(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DescriptionHandler.FILE.write_text(written(), "utf-8")
