"""What is declared is listed, asked, changed and withdrawn through the server, in the notebook's settings file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer

Make = Callable[..., Path]

SETTINGS = """\
worker = "gpu"            # where cells run

[cache]
max_bytes = 1000000

# The machine under the desk.
[[workers]]
name = "gpu"
config = { url = "http://127.0.0.1:9", token_env = "MY_TOKEN" }   # not up

[[mounts]]
name = "raw"
uri = "s3://bucket/raw"
options = { key = "${KEY}", secret = "hush" }
"""


@pytest.fixture
def settings(notebook: Make) -> Path:
    """A settings file beside the notebook."""
    file = notebook().with_name("strata.toml")
    file.write_text(SETTINGS)
    return file


async def put(ask: Any, route: str, **body: Any) -> tuple[int, Any]:
    found: tuple[int, Any] = await ask(route, "PUT", body=json.dumps(body), path="a.ipynb")
    return found


async def test_what_is_declared_is_told_without_its_secrets(ask: Any, settings: Path) -> None:
    status, found = await ask("declared", path="a.ipynb")
    assert (status, found["file"], found["worker"]) == (200, str(settings), "gpu")
    (worker,), (mount,) = found["workers"], found["mounts"]
    assert (worker["name"], worker["backend"], worker["address"]) == ("gpu", "http", "http://127.0.0.1:9")
    assert worker["config"]["token_env"] == "MY_TOKEN"
    assert worker["written"] is mount["written"] is True
    assert mount["options"] == {"key": "${KEY}", "secret": ""}
    assert (mount["files"], mount["size"], mount["fetched"]) == (0, 0, None)
    assert any("secret" in problem for problem in found["problems"])
    assert "hush" not in json.dumps(found)


async def test_nothing_is_declared_without_a_file(ask: Any, notebook: Make) -> None:
    folder = notebook().parent
    _, found = await ask("declared", path="a.ipynb")
    assert found == {
        "file": str(folder / "strata.toml"), "worker": "local", "workers": [], "mounts": [], "connections": [],
        "problems": [],
    }  # fmt: skip
    assert not (folder / "strata.toml").exists()


async def test_a_change_leaves_the_rest_of_the_file_as_it_is(ask: Any, settings: Path) -> None:
    config = {"url": "http://127.0.0.1:10", "token_env": "OTHER"}
    status, found = await put(ask, "worker", name="gpu", former="gpu", config=config, runtime_id="cuda12")
    assert status == 200
    assert [(w["address"], w["runtime_id"]) for w in found["workers"]] == [("http://127.0.0.1:10", "cuda12")]
    text = settings.read_text()
    assert "# where cells run" in text
    assert "# The machine under the desk." in text
    assert 'uri = "s3://bucket/raw"' in text
    assert "hush" not in text
    config.pop("token_env")
    await put(ask, "worker", name="gpu", former="gpu", config=config)
    text = settings.read_text()
    assert "token_env" not in text
    assert "runtime_id" not in text


async def test_a_first_declaration_makes_the_file(ask: Any, notebook: Make) -> None:
    file = notebook().with_name("strata.toml")
    status, found = await put(ask, "mount", name="raw", uri="s3://bucket", mode="rw", pin="v1")
    assert status == 200
    assert [(m["name"], m["mode"], m["pin"]) for m in found["mounts"]] == [("raw", "rw", "v1")]
    assert file.read_text().startswith("[[mounts]]")
    status, found = await ask("mount", "DELETE", path="a.ipynb", name="raw")
    assert (status, found["mounts"]) == (200, [])
    assert file.read_text().strip() == ""


async def test_a_rename_takes_the_place_of_the_former(ask: Any, settings: Path) -> None:
    await put(ask, "worker", name="many", backend="dask", config={"scheduler": "local", "resources": {"GPU": 1}})
    status, found = await put(ask, "worker", name="few", former="many", backend="dask", config={"scheduler": "local"})
    assert status == 200
    assert [w["name"] for w in found["workers"]] == ["gpu", "few"]
    assert "resources" not in found["workers"][1]["config"]
    assert (await ask("worker", "DELETE", path="a.ipynb", name="few"))[0] == 200
    assert "few" not in settings.read_text()


async def test_tables_by_name_are_changed_as_such(ask: Any, notebook: Make) -> None:
    file = notebook().with_name("strata.toml")
    file.write_text('[workers.gpu]\nconfig = { url = "http://a" }  # one\n')
    await put(ask, "worker", name="cpu", config={"url": "http://b"})
    _, found = await put(ask, "worker", name="tpu", former="gpu", config={"url": "http://c"})
    assert {w["name"]: w["address"] for w in found["workers"]} == {"cpu": "http://b", "tpu": "http://c"}
    _, found = await ask("worker", "DELETE", path="a.ipynb", name="cpu")
    assert [w["name"] for w in found["workers"]] == ["tpu"]
    assert "[[workers]]" not in file.read_text()


DATABASES = """\
# Where the orders are.
[connections.shop]
driver = "postgresql"
host = "db"            # in the cellar
port = 5433
dbname = "shop"
application = "kept"
[connections.shop.auth]
user = "ada"
password = "${SHOP_PASSWORD}"

[connections.notes]
driver = "postgresql"
uri = "postgresql://ada:hush@db/notes"

[sql]
frame = "arrow"
"""


async def test_connections_are_told_without_their_secrets(ask: Any, settings: Path) -> None:
    settings.write_text(DATABASES)
    _, found = await ask("declared", path="a.ipynb")
    shop, notes = found["connections"]
    assert (shop["name"], shop["driver"], shop["where"], shop["written"]) == (
        "shop",
        "postgresql",
        "db:5433/shop",
        True,
    )
    assert shop["config"]["auth"] == {"user": "", "password": "${SHOP_PASSWORD}"}
    assert notes["where"] == notes["config"]["uri"] == "postgresql://ada@db/notes"
    assert "hush" not in json.dumps(found)


async def test_a_connection_is_declared_changed_and_withdrawn(ask: Any, settings: Path) -> None:
    settings.write_text(DATABASES)
    shop = (await ask("declared", path="a.ipynb"))[1]["connections"][0]["config"]
    wanted = {**shop, "host": "other", "auth": {"user": "${ADA}", "password": "${SHOP_PASSWORD}"}}
    wanted.pop("port")
    status, found = await put(ask, "connection", name="shop", former="shop", config=wanted)
    assert (status, found["connections"][0]["where"]) == (200, "other/shop")
    text = settings.read_text()
    for kept in (
        "# Where the orders are.",
        "# in the cellar",
        'application = "kept"',
        'frame = "arrow"',
        'user = "${ADA}"',
    ):
        assert kept in text
    assert "port" not in text
    config = {"driver": "sqlite", "path": "new.db"}
    status, found = await put(ask, "connection", name="local", config=config)
    assert [(c["name"], c["where"]) for c in found["connections"]][-1] == ("local", "new.db")
    assert "[connections.local]" in settings.read_text()
    status, found = await put(ask, "connection", name="near", former="local", config=config)
    assert [c["name"] for c in found["connections"]] == ["shop", "notes", "near"]
    for name in ("shop", "notes", "near"):
        assert (await ask("connection", "DELETE", path="a.ipynb", name=name))[0] == 200
    assert (await ask("connection", "DELETE", path="a.ipynb", name="near"))[0] == 404
    assert "connections" not in settings.read_text()
    assert "# Where the orders are." in settings.read_text()


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("worker", {"name": "gpu"}, "declared already"),
        ("worker", {"name": "a b"}, "letters"),
        ("worker", {"name": "x", "backend": "slurm"}, "`dask`"),
        ("worker", {"name": "x", "config": {"token": "hush"}}, "name a variable"),
        ("mount", {"name": "x", "uri": "nowhere"}, "s3://bucket"),
        ("connection", {"name": "a b", "config": {"path": "x"}}, "letters"),
        ("connection", {"name": "x", "config": {"driver": "sqlite"}}, "needs `path`"),
        ("connection", {"name": "x", "config": {"driver": "oracle"}}, "sqlite or postgresql"),
        (
            "connection",
            {"name": "x-1", "config": {"driver": "postgres", "auth": {"password": "hush"}}},
            "${X_1_PASSWORD}",
        ),
        ("connection", {"name": "x", "config": {"driver": "postgres", "auth": "hush"}}, "a table"),
        ("connection", {"name": "x", "config": {"driver": "postgres", "password": "hush"}}, "name a variable"),
        ("connection", {"name": "x", "config": {"driver": "postgres", "uri": "postgresql://a:hush@b"}}, "leave it out"),
        ("mount", {"name": "x", "uri": "s3://b", "options": {"client": {"secret": "hush"}}}, "name a variable"),
    ],
)
async def test_what_no_cell_could_use_is_refused(
    ask: Any, settings: Path, route: str, body: dict[str, Any], said: str
) -> None:
    status, found = await put(ask, route, **body)
    assert (status, found["reason"]) == (400, "declaration_refused")
    assert said in found["message"]
    assert settings.read_text() == SETTINGS


async def test_a_body_that_is_none_is_refused(ask: Any, settings: Path) -> None:
    for body in ("", "[]", '{"name": 1}', '{"nam": "x"}'):
        status, found = await ask("worker", "PUT", body=body, path="a.ipynb")
        assert (status, found["reason"]) == (400, "body_malformed")
    assert settings.read_text() == SETTINGS


async def test_a_file_that_is_no_toml_is_told_and_left_alone(ask: Any, settings: Path) -> None:
    settings.write_text("workers = [")
    status, found = await ask("declared", path="a.ipynb")
    assert (status, found["workers"]) == (200, [])
    assert any("strata.toml" in problem for problem in found["problems"])
    status, found = await put(ask, "worker", name="x", config={"url": "http://b"})
    assert (status, found["reason"]) == (400, "declaration_refused")
    assert settings.read_text() == "workers = ["


async def test_a_file_above_what_the_server_shows_is_not_written(ask: Any, notebook: Make) -> None:
    above = notebook().parent.parent / "strata.toml"
    above.write_text(SETTINGS)
    try:
        _, found = await ask("declared", path="a.ipynb")
        assert [w["name"] for w in found["workers"]] == ["gpu"]
        status, found = await put(ask, "worker", name="x", config={"url": "http://b"})
        assert (status, found["reason"]) == (403, "file_outside")
        assert above.read_text() == SETTINGS
    finally:
        above.unlink()


async def test_who_may_not_write_files_changes_no_settings(
    ask: Any, settings: Path, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader(Authorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            return (action, resource) != ("write", "contents")

    monkeypatch.setitem(jp_serverapp.web_app.settings, "authorizer", Reader(parent=jp_serverapp))
    assert (await ask("declared", path="a.ipynb"))[0] == 200
    assert (await put(ask, "worker", name="x"))[0] == 403
    assert (await ask("worker", "DELETE", path="a.ipynb", name="gpu"))[0] == 403
    assert settings.read_text() == SETTINGS


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[str]:
    """The address of a real worker that wants a token."""
    words = ["worker", "--port", "0", "--work-dir", str(tmp_path / "work"), "--token-env", "WORKER_TOKEN"]
    process = subprocess.Popen(
        [sys.executable, "-m", "strata_kernel.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "WORKER_TOKEN": "correct"},
    )  # fmt: skip
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found
    yield found[0]
    process.terminate()
    process.wait(60)
    process.stdout.close()


async def test_a_worker_tells_how_it_is(ask: Any, notebook: Make, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook()
    await put(ask, "worker", name="gpu", config={"url": worker, "token_env": "MY_TOKEN"})
    status, found = await ask("worker", path="a.ipynb", name="gpu")
    assert (status, found["state"]) == (200, "unauthorised")
    assert "MY_TOKEN" in found["text"]
    monkeypatch.setenv("MY_TOKEN", "correct")
    _, found = await ask("worker", path="a.ipynb", name="gpu")
    assert (found["state"], found["active"], found["protocols"]) == ("ok", 0, ["v1", "v2"])
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["capacity"] >= 1
    assert found["latency"] > 0


async def test_a_worker_that_is_not_there(ask: Any, settings: Path) -> None:
    status, found = await ask("worker", path="a.ipynb", name="gpu")
    assert (status, found["state"]) == (200, "unreachable")
    assert "strata worker" in found["text"]
    status, found = await ask("worker", path="a.ipynb", name="cpu")
    assert (status, found["reason"]) == (404, "declaration_unknown")
