"""Every route of a real server answers, and refuses in one form."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer

from strata_kernel import Runner
from strata_kernel.errors import StoreError
from strata_kernel.store.remote import RemoteStore
from strata_labextension.description import OPERATIONS
from strata_labextension.handlers import ROUTES

from .conftest import execute

Make = Callable[..., Path]


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {cell["id"]: cell["state"] for cell in answer["cells"]}


async def test_a_notebook_that_never_ran_is_new(ask: Any, notebook: Make) -> None:
    notebook()
    status, found = await ask("notebook", path="a.ipynb")
    assert status == 200
    assert found["path"] == "a.ipynb"
    assert states(found) == {"load": "new", "write": "new", "use": "new"}
    assert found["cells"][0]["label"] == "load"
    assert found["cells"][2]["reasons"][0]["code"] == "new"
    assert not any(cell["pinned"] for cell in found["cells"])


async def test_a_notebook_that_ran_is_servable_and_an_edit_says_why(ask: Any, run: Make) -> None:
    path = run()
    _, found = await ask("notebook", path="a.ipynb")
    assert states(found) == dict.fromkeys(("load", "write", "use"), "servable")
    assert found["cells"][2]["upstream"] == ["load"]
    assert "x" in found["cells"][2]["reads"]
    assert found["cells"][0]["seconds"] > 0
    path.write_text(path.read_text().replace("arange(6.0)", "arange(6.0) + 1"))
    _, found = await ask("notebook", path="a.ipynb")
    assert states(found)["use"] == "stale"
    status, why = await ask("cell", path="a.ipynb", cell="use")
    assert status == 200
    assert "`x`" in why["text"]
    assert why["current"] is False
    assert [a["name"] for a in why["artifacts"]] == ["total"]


async def test_a_notebook_without_cells(ask: Any, notebook: Make) -> None:
    notebook(cells={})
    assert await ask("notebook", path="a.ipynb") == (200, {"path": "a.ipynb", "cells": []})
    assert await ask("entries", "DELETE", path="a.ipynb") == (200, {"removed": 0, "left": 0})
    status, found = await ask("cell", path="a.ipynb", cell="x")
    assert (status, found["reason"]) == (404, "cell_unknown")


async def test_a_cell_tells_its_inputs_and_artifacts(ask: Any, run: Make) -> None:
    run()
    status, found = await ask("cell", path="a.ipynb", cell="load")
    assert status == 200
    assert found["current"] is True
    shown = {a["name"]: a for a in found["artifacts"]}
    assert shown["x"]["type"] == "ndarray"
    assert shown["x"]["shape"] == [2, 3]
    assert shown["x"]["size"] > 0
    assert shown["x"]["codec"] == "pickle"
    assert {p["where"] for p in shown["x"]["stored"]} <= {"local", "manifest"}
    assert shown["y"]["shared_with"] == ["z"]
    assert shown["y"]["size"] is None
    _, below = await ask("cell", path="a.ipynb", cell="use")
    given = {"cell": "load", "version": shown["x"]["version"], "summary": shown["x"]["summary"]}
    assert {"name": "x", **given} in below["inputs"]


async def test_a_value_is_told_by_its_summary_and_never_loaded(
    ask: Any, run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    import pickle

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("unpickled")

    for name in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    status, found = await ask("artifact", path="a.ipynb", cell="load", name="x")
    assert status == 200
    assert found["artifact"]["summary"].startswith("ndarray (2, 3) float64")
    assert (found["table"], found["text"], found["image"]) == (None, None, None)


async def test_variants_stand_side_by_side_and_no_value_is_loaded(
    ask: Any, notebook: Make, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(
        cells={
            "v1": "# @variant model linear\nscore = 3\nkind = 'line'\nprint('linear')",
            "v2": "# @variant model forest\nscore = 0.5",
        }
    )
    _, found = await ask("variants", path="a.ipynb")
    assert [v["state"] for v in found["groups"][0]["variants"]] == ["new", "new"]
    await asyncio.to_thread(execute, path, ran, "--sweep")
    monkeypatch.setattr("strata_kernel.wiring.Parts.values", lambda *a: 1 / 0)
    status, found = await ask("variants", path="a.ipynb")
    assert status == 200
    (group,) = found["groups"]
    linear, forest = group["variants"]
    assert (group["group"], linear["name"], forest["name"]) == ("model", "linear", "forest")
    assert linear["state"] == forest["state"] == "cached"
    assert linear["results"] == {"model": {"score": "3", "kind": "(str (4) 32 B)"}}
    assert forest["results"] == {"model": {"score": "0.5"}}
    assert linear["shown"] == {"model": "linear"}


async def test_files_that_a_cell_wrote_are_shown_by_page(ask: Any, run: Make) -> None:
    folder = run().parent
    name = f"file:{folder / 't.csv'}"
    status, found = await ask("artifact", path="a.ipynb", cell="write", name=name, offset=1, limit=1)
    assert status == 200
    assert found["table"] == {
        "columns": ["a", "b"],
        "types": ["int64", "string"],
        "rows": [[2, "y"]],
        "offset": 1,
        "total": None,
    }
    _, found = await ask("artifact", path="a.ipynb", cell="write", name=name, offset=9)
    assert found["table"]["rows"] == []
    _, found = await ask("artifact", path="a.ipynb", cell="write", name=f"file:{folder / 'notes.txt'}")
    assert found["text"] == "sum 15.0"


async def test_pins_hold_and_let_go(ask: Any, run: Make, store: Path) -> None:
    run()
    assert await ask("pin", "PUT", path="a.ipynb", cell="use") == (200, {"cells": ["use"]})
    _, found = await ask("notebook", path="a.ipynb")
    assert [cell["pinned"] for cell in found["cells"]] == [False, False, True]
    status, done = await ask("store/gc", "POST", body='{"max_bytes": 0}')
    assert (status, done["removed"], done["kept"]) == (200, 2, 1)
    _, counted = await ask("store")
    assert (counted["entries"], counted["pins"]) == (1, 1)
    assert await ask("pin", "PUT", path="a.ipynb", cell="load") == (
        409,
        {"message": "nothing that is kept stands for cell 'load' now", "reason": "nothing_kept"},
    )
    assert await ask("pin", "DELETE", path="a.ipynb") == (200, {"cells": ["use"]})
    assert await ask("pin", "DELETE", path="a.ipynb") == (200, {"cells": []})
    _, done = await ask("store/gc", "POST", body='{"max_bytes": 0}')
    assert done["kept"] == 0


async def test_pinning_a_notebook_pins_what_stands(ask: Any, run: Make) -> None:
    path = run()
    path.write_text(path.read_text().replace("total = ", "total = 1 + "))
    assert await ask("pin", "PUT", path="a.ipynb") == (200, {"cells": ["load", "write"]})


async def test_clearing_removes_a_cell_and_then_the_rest(ask: Any, run: Make) -> None:
    path = run()
    await ask("pin", "PUT", path="a.ipynb")
    assert await ask("entries", "DELETE", path="a.ipynb", cell="use") == (200, {"removed": 1, "left": 0})
    _, found = await ask("notebook", path="a.ipynb")
    assert states(found) == {"load": "servable", "write": "servable", "use": "new"}
    assert await ask("entries", "DELETE", path="a.ipynb") == (200, {"removed": 2, "left": 0})
    _, counted = await ask("store")
    assert (counted["entries"], counted["pins"]) == (0, 0)
    assert {s.state for s in Runner().status(path)} == {"new"}


@pytest.fixture
def shared(ran: Path, run: Make, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared store that holds what the user's own does not."""
    run()
    shutil.rmtree(ran / "shared", ignore_errors=True)
    store.rename(ran / "shared")
    monkeypatch.setenv("STRATA_CACHE_REMOTE", str(ran / "shared"))
    return ran / "shared"


async def test_a_pin_brings_what_only_the_shared_store_holds(ask: Any, shared: Path) -> None:
    _, found = await ask("cell", path="a.ipynb", cell="load")
    assert found["current"] is True
    places = {p["where"] for a in found["artifacts"] for p in a["stored"]}
    assert places <= {"remote", "manifest"}
    assert await ask("pin", "PUT", path="a.ipynb") == (200, {"cells": ["load", "write", "use"]})
    _, counted = await ask("store")
    assert (counted["entries"], counted["pins"], counted["remote"]) == (3, 3, str(shared))
    shutil.rmtree(shared)
    _, found = await ask("notebook", path="a.ipynb")
    assert set(states(found).values()) == {"servable"}


async def test_clearing_tells_what_a_shared_store_keeps(
    ask: Any, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise StoreError("read-only")

    monkeypatch.setattr(RemoteStore, "discard", refuse)
    assert await ask("entries", "DELETE", path="a.ipynb") == (200, {"removed": 0, "left": 3})


async def test_the_server_answers_while_it_reads(
    ask: Any, notebook: Make, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook()
    began, finish = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        began.set()
        assert finish.wait(30)
        raise StoreError("done")

    monkeypatch.setattr(Runner, "inspect", slow)
    waiting = asyncio.ensure_future(ask("notebook", path="a.ipynb"))
    assert await asyncio.get_running_loop().run_in_executor(None, began.wait, 30)
    assert (await jp_fetch("api", "contents", "a.ipynb")).code == 200
    assert (await ask("store"))[0] == 200
    finish.set()
    assert (await waiting)[0] == 503


async def test_statistics_follow_the_settings(ask: Any, run: Make, notebook: Make, store: Path, tmp_path: Path) -> None:
    run()
    other = notebook("own/b.ipynb").parent
    _, found = await ask("store")
    assert found["path"] == str(store)
    assert found["size"] > 0
    assert found["limit"] == 20_000_000_000
    os.environ.pop("STRATA_CACHE_STORE")
    (other / "strata.toml").write_text(f'[cache]\nstore = "{tmp_path / "elsewhere"}"\nmax_bytes = 7\n')
    _, found = await ask("store", path="own/b.ipynb")
    assert (found["path"], found["limit"], found["entries"]) == (str(tmp_path / "elsewhere"), 7, 0)


async def test_a_collection_leaves_a_folder_alone_that_is_no_store(ask: Any, store: Path) -> None:
    (store / "tmp").mkdir(parents=True)
    kept = store / "tmp" / "mine"
    kept.write_text("not yours")
    os.utime(kept, (0, 0))
    status, _ = await ask("store/gc", "POST")
    assert status == 200
    assert kept.exists()


ALL = [(path.removeprefix("strata/"), method.upper()) for path, method in OPERATIONS]
ON_NOTEBOOKS = [
    (p.removeprefix("strata/"), m.upper()) for (p, m), operation in OPERATIONS.items() if "path" in operation[1]
]


@pytest.mark.parametrize(("route", "method"), ALL)
async def test_nobody_asks_without_the_token(ask: Any, route: str, method: str) -> None:
    status, found = await ask(route, method, headers={"Authorization": "token wrong"})
    assert status == 403
    assert set(found) == {"message", "reason"}


@pytest.mark.parametrize(("route", "method"), ON_NOTEBOOKS)
@pytest.mark.parametrize(
    "path",
    [
        "../outside.ipynb",
        "sub/../../outside.ipynb",
        "..\\outside.ipynb",
        "%2e%2e/outside.ipynb",
        ".hidden.ipynb",
        ".secret/a.ipynb",
        "absent.ipynb",
        "sub",
        "a\0.ipynb",
        "/",
    ],
)
async def test_a_path_stays_inside(
    ask: Any, notebook: Make, jp_root_dir: Path, route: str, method: str, path: str
) -> None:
    for name in ("../outside.ipynb", ".hidden.ipynb", ".secret/a.ipynb", "sub/a.ipynb"):
        notebook(name)
    status, found = await ask(route, method, path=path, cell="load", name="x")
    assert status == 404
    assert set(found) == {"message", "reason"}
    assert str(jp_root_dir) not in found["message"]


async def test_an_absolute_path_is_below_the_root(ask: Any, notebook: Make) -> None:
    path = notebook("../outside.ipynb")
    status, _ = await ask("notebook", path=str(path.resolve()))
    assert status == 404
    notebook()
    status, _ = await ask("notebook", path="/a.ipynb")
    assert status == 200


@pytest.mark.parametrize(
    ("route", "method", "arguments", "status", "reason"),
    [
        ("notebook", "GET", {}, 400, "argument_missing"),
        ("cell", "GET", {"path": "a.ipynb"}, 400, "argument_missing"),
        ("artifact", "GET", {"path": "a.ipynb", "cell": "use"}, 400, "argument_missing"),
        ("artifact", "GET", {"path": "a.ipynb", "cell": "use", "name": "x", "offset": "-1"}, 400, "argument_malformed"),
        ("artifact", "GET", {"path": "a.ipynb", "cell": "use", "name": "x", "limit": "٣"}, 400, "argument_malformed"),
        ("artifact", "GET", {"path": "a.ipynb", "cell": "use", "name": "x"}, 404, "nothing_kept"),
        ("artifact", "GET", {"path": "a.ipynb", "cell": "?", "name": "x"}, 404, "cell_unknown"),
        ("entries", "DELETE", {"path": "a.ipynb", "cell": "?"}, 404, "cell_unknown"),
        ("pin", "PUT", {"path": "a.ipynb", "cell": "?"}, 404, "cell_unknown"),
        ("notebook", "GET", {"path": "broken.ipynb"}, 400, "notebook_invalid"),
        ("notebook", "GET", {"path": "list.ipynb"}, 400, "notebook_invalid"),
        ("store/gc", "POST", {"body": "{"}, 400, "bad_request"),
        ("store/gc", "POST", {"body": '{"max_bytes": -1}'}, 400, "body_malformed"),
        ("store/gc", "POST", {"body": '{"max_bytes": true}'}, 400, "body_malformed"),
        ("store/gc", "POST", {"body": "[]"}, 200, None),
        ("store/gc", "POST", {"body": "[1]"}, 400, "body_malformed"),
        ("store/gc", "GET", {}, 405, "method_not_allowed"),
        ("nothing", "GET", {}, 404, "not_found"),
    ],
)
async def test_bad_requests_are_told(
    ask: Any, notebook: Make, route: str, method: str, arguments: Any, status: int, reason: str | None
) -> None:
    folder = notebook().parent
    (folder / "broken.ipynb").write_text("{")
    (folder / "list.ipynb").write_text("[]")
    given, found = await ask(route, method, **arguments)
    assert (given, found.get("reason")) == (status, reason)
    if reason:
        assert set(found) == {"message", "reason"}
        assert str(folder) not in found["message"]


async def test_a_name_that_the_cell_did_not_leave(ask: Any, run: Make) -> None:
    run()
    status, found = await ask("artifact", path="a.ipynb", cell="use", name="x")
    assert (status, found["reason"]) == (404, "artifact_unknown")


async def test_a_file_that_is_gone_from_the_store(ask: Any, run: Make, store: Path) -> None:
    folder = run().parent
    for blob in (store / "cas").rglob("*"):
        if blob.is_file():
            blob.unlink()
    (folder / "t.csv").unlink()
    status, found = await ask("artifact", path="a.ipynb", cell="write", name=f"file:{folder / 't.csv'}")
    assert (status, found["reason"]) == (410, "gone")


@pytest.mark.parametrize(
    ("route", "method"),
    [r for r in ALL if r[0] not in ("openapi.json", "declared", "worker", "mount", "connection")],
)
async def test_a_store_that_cannot_be_read(ask: Any, notebook: Make, store: Path, route: str, method: str) -> None:
    notebook()
    (store / "cas").mkdir(parents=True)
    # Even root cannot list a file.
    (store / "ac").write_text("")
    status, found = await ask(route, method, path="a.ipynb", cell="load", name="x")
    assert (status, found["reason"]) == (503, "store_unusable")
    assert "\n" not in found["message"]


async def test_a_bug_shows_no_traceback(ask: Any, notebook: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook()
    monkeypatch.setattr(Runner, "inspect", lambda *a: 1 / 0)
    status, found = await ask("notebook", path="a.ipynb")
    assert status == 500
    assert found == {"message": "Internal Server Error", "reason": "internal_server_error"}


class Reader(Authorizer):  # type: ignore[misc]
    """Lets everything be read but one resource, and nothing be written."""

    closed = "none"

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read" and resource != self.closed


@pytest.mark.parametrize(("route", "method"), ALL)
@pytest.mark.parametrize("closed", ["none", "contents", "strata"])
async def test_the_authorizer_decides(
    ask: Any, jp_serverapp: Any, notebook: Make, monkeypatch: pytest.MonkeyPatch, route: str, method: str, closed: str
) -> None:
    notebook()
    reader = Reader(parent=jp_serverapp)
    reader.closed = closed
    monkeypatch.setitem(jp_serverapp.web_app.settings, "authorizer", reader)
    status, _ = await ask(route, method, path="a.ipynb", cell="load", name="x")
    open_now = method == "GET" and closed != "strata" and not (closed == "contents" and route != "openapi.json")
    assert (status != 403) is open_now


async def test_the_description_names_every_route(ask: Any) -> None:
    status, found = await ask("openapi.json")
    assert status == 200
    described = {(path.strip("/"), method) for path, methods in found["paths"].items() for method in methods}
    served = {
        (path, method)
        for path, kind in ROUTES.items()
        for method in ("get", "post", "put", "patch", "delete")
        if any(method in vars(base) for base in kind.__mro__ if base.__module__ == kind.__module__)
    }
    assert described == served == set(OPERATIONS)


DECLARED = """
[[workers]]
name = "x"
config = { url = "http://127.0.0.1:9" }
[[mounts]]
name = "x"
uri = "s3://x"
[connections.x]
path = "x.db"
"""

#: What is declared, by the last word of the route.
BODIES = {
    "worker": '{"name": "y"}',
    "mount": '{"name": "y", "uri": "s3://y"}',
    "connection": '{"name": "y", "config": {"path": "y.db"}}',
}


async def test_every_answer_is_as_described(ask: Any, run: Make) -> None:
    _, description = await ask("openapi.json")
    schemas = description["components"]["schemas"]
    for (path, method), operation in OPERATIONS.items():
        if operation[2] is None:
            continue
        folder = run().parent
        (folder / "strata.toml").write_text(DECLARED)
        route = path.removeprefix("strata/")
        body = BODIES.get(route) if method == "put" else None
        _, found = await ask(route, method.upper(), body=body, path="a.ipynb", cell="load", name="x")
        assert set(found) == set(schemas[operation[2].__name__]["properties"]), path
