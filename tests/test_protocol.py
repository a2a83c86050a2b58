"""The comm's messages: their names on the wire, tolerance of what is unknown, and the committed schema."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_kernel import protocol
from strata_kernel.domain.cell import Cell, Reason
from strata_kernel.domain.diagnostic import Diagnostic

SAMPLES: list[tuple[protocol.Message, dict[str, Any]]] = [
    (
        protocol.Hello(protocol=1, path="a.ipynb", batches=True),
        {"type": "hello", "protocol": 1, "path": "a.ipynb", "batches": True},
    ),
    (
        protocol.Document(revision=2, cells=[Cell("a", "x = 1")], variants={"g": "v"}),
        {
            "type": "document",
            "revision": 2,
            "cells": [{"id": "a", "source": "x = 1", "kind": "code"}],
            "variants": {"g": "v"},
        },
    ),
    (
        protocol.DocumentPatch(revision=3, order=["b", "a"]),
        {"type": "document-patch", "revision": 3, "order": ["b", "a"]},
    ),
    (
        protocol.RequestPlan(id="1", targets=["a"], mode="force"),
        {"type": "request-plan", "id": "1", "targets": ["a"], "mode": "force"},
    ),
    (protocol.RequestInspect(id="2", name="df"), {"type": "request-inspect", "id": "2", "name": "df"}),
    (
        protocol.RequestPreview(id="3", cell="a", name="df", offset=50),
        {"type": "request-preview", "id": "3", "cell": "a", "name": "df", "offset": 50},
    ),
    (
        protocol.RequestPictures(id="5", cell="a", first=24, count=24),
        {"type": "request-pictures", "id": "5", "cell": "a", "first": 24, "count": 24},
    ),
    (
        protocol.Pictures(id="5", cell="a", first=24, passes=26, items=["iVBOR", None]),
        {"type": "pictures", "id": "5", "cell": "a", "first": 24, "passes": 26, "items": ["iVBOR", None]},
    ),
    (
        protocol.RequestSchema(id="4", connection="shop", table="orders"),
        {"type": "request-schema", "id": "4", "connection": "shop", "table": "orders"},
    ),
    (
        protocol.Schema(id="4", connection="shop", table="t", columns=[protocol.Column(name="x", type="REAL")]),
        {"type": "schema", "id": "4", "connection": "shop", "table": "t", "columns": [{"name": "x", "type": "REAL"}]},
    ),
    (protocol.SettingsChanged(), {"type": "settings-changed"}),
    (
        protocol.RequestExplain(id="4", cell="a"),
        {"type": "request-explain", "id": "4", "cell": "a"},
    ),
    (
        protocol.Explanation(id="4", cell="a", text="SCAN t"),
        {"type": "explanation", "id": "4", "cell": "a", "text": "SCAN t"},
    ),
    (protocol.Refresh(cells=["a"]), {"type": "refresh", "cells": ["a"]}),
    (protocol.Forget(cells=["a"]), {"type": "forget", "cells": ["a"]}),
    (
        protocol.Preview(
            id="3", cell="a", name="df", table=protocol.TablePage(columns=["x"], types=["int64"], rows=[[1]], offset=0)
        ),
        {
            "type": "preview",
            "id": "3",
            "cell": "a",
            "name": "df",
            "table": {"columns": ["x"], "types": ["int64"], "rows": [[1]], "offset": 0, "total": None},
        },
    ),
    (protocol.SetOption(options={"cascade": "off"}), {"type": "set-option", "options": {"cascade": "off"}}),
    (protocol.Welcome(version="1", options={}), {"type": "welcome", "protocol": 1, "version": "1", "options": {}}),
    (
        protocol.Graph(revision=1, cells=[protocol.Node(id="a", label="load", writes=["x"])]),
        {
            "type": "graph",
            "revision": 1,
            "cells": [{"id": "a", "label": "load", "kind": "python", "reads": [], "writes": ["x"], "upstream": []}],
        },
    ),
    (
        protocol.CellStatus(
            id="a",
            state="fresh",
            reasons=[Reason("hit", "as before")],
            hit=True,
            saved_ms=1.5,
            progress=protocol.Progress(done=1, total=2, label="x"),
        ),
        {
            "type": "cell-status",
            "id": "a",
            "state": "fresh",
            "reasons": [{"code": "hit", "text": "as before"}],
            "hit": True,
            "savedMs": 1.5,
            "progress": {"done": 1, "total": 2, "label": "x"},
        },
    ),
    (
        protocol.CellStatuses(items=[protocol.CellStatus(id="a", state="new")]),
        {"type": "cell-statuses", "items": [{"type": "cell-status", "id": "a", "state": "new"}]},
    ),
    (
        protocol.CellOutputs(id="a", outputs=[{"output_type": "stream"}], execution_count=3),
        {"type": "cell-outputs", "id": "a", "outputs": [{"output_type": "stream"}], "executionCount": 3},
    ),
    (
        protocol.Diagnostics(id="a", items=[Diagnostic("cycle", "round")]),
        {"type": "diagnostics", "id": "a", "items": [{"code": "cycle", "message": "round"}]},
    ),
    (
        protocol.Plan(id="1", steps=[protocol.Step(cell="a", action="run")]),
        {"type": "plan", "id": "1", "steps": [{"cell": "a", "action": "run"}]},
    ),
    (protocol.Inspection(id="2", text="t"), {"type": "inspection", "id": "2", "text": "t"}),
    (
        protocol.Workers(items=[protocol.WorkerItem(name="gpu", state="idle")]),
        {"type": "workers", "items": [{"name": "gpu", "state": "idle", "active": 0}]},
    ),
]


@pytest.mark.parametrize(("message", "plain"), SAMPLES, ids=[s[1]["type"] for s in SAMPLES])
def test_messages_on_the_wire(message: protocol.Message, plain: dict[str, Any]) -> None:
    assert protocol.encode(message) == plain
    assert protocol.decode(plain) == message
    assert protocol.decode({**plain, "fromTheFuture": [1]}) == message


@pytest.mark.parametrize(
    "bad", [None, 1, [], {}, {"type": "nope"}, {"type": "hello"}, {"type": "hello", "protocol": "x"}]
)
def test_what_is_not_understood_is_none(bad: Any) -> None:
    assert protocol.decode(bad) is None


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=5)))
def test_nothing_makes_it_raise(message: dict[str, Any]) -> None:
    protocol.decode(message)


def test_the_committed_schema_is_current() -> None:
    path = Path(protocol.__file__).with_name("protocol.schema.json")
    command = "python -m strata_kernel.protocol > protocol.schema.json && mv protocol.schema.json strata_kernel/"
    assert path.read_text("utf-8") == protocol.schema_text(), f"regenerate it: {command}"


def test_the_typescript_is_current() -> None:
    """The generated file names the digest of the schema that it was generated from, so no Node is needed to tell."""
    path = Path(__file__).parents[1] / "src" / "protocol.ts"
    digest = hashlib.sha256(protocol.schema_text().encode()).hexdigest()
    assert digest in path.read_text("utf-8"), "regenerate it: jlpm protocol"
