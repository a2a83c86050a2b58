"""A real Jupyter server with the extension in it, and a notebook that has been run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

# Imported and not named as a plugin: its hooks are for these tests alone.
from pytest_jupyter.jupyter_server import *  # noqa: F403
from tornado.httpclient import HTTPResponse

Ask = Callable[..., Awaitable[tuple[int, Any]]]

CELLS = {
    "load": "# @name load\nimport numpy as np\nx = np.arange(6.0).reshape(2, 3)\ny = [1, 2]\nz = y",
    "write": "from pathlib import Path\nn = Path('t.csv').write_text('a,b\\n1,x\\n2,y\\n3,z\\n')\nPath('notes.txt').write_text(f'sum {x.sum()}')",
    "use": "total = float(x.sum())\ntotal",
}


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a notebook once; `kept` holds copies of its folder and of the store, for all tests to start from."""
    base = tmp_path_factory.mktemp("ran")
    path = write(base / "root" / "a.ipynb", CELLS)
    execute(path, base)
    for name in ("root", "store"):
        shutil.copytree(base / name, base / "kept" / name)
    return base


def execute(path: Path, base: Path, *options: str) -> None:
    """Run a notebook, in a process of its own: the fixtures hide this environment's kernels."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STRATA_")}
    command = [sys.executable, "-m", "strata_kernel.cli", "run", "--quiet", *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env={**environ, **variables(base)})


def variables(base: Path) -> dict[str, str]:
    return {
        "STRATA_CACHE_STORE": str(base / "store"),
        "STRATA_CACHE_MIN_RUNTIME_MS": "0",
        "STRATA_TRUST_SECRET_FILE": str(base / "secret"),
    }


def write(path: Path, cells: dict[str, str]) -> Path:
    listed = [
        {"cell_type": "code", "id": i, "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in cells.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": listed}))
    return path


@pytest.fixture
def store(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, where the notebook's run was stored."""
    for name in [name for name in os.environ if name.startswith("STRATA_")]:
        monkeypatch.delenv(name)
    for name, value in variables(ran).items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(ran / "store", ignore_errors=True)
    return ran / "store"


@pytest.fixture
def jp_root_dir(ran: Path) -> Path:
    """The server's root, empty; always the same, because runs know the files that they wrote by absolute paths."""
    shutil.rmtree(ran / "root")
    (ran / "root").mkdir()
    return ran / "root"


@pytest.fixture
def jp_server_config(store: Path) -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"strata_labextension": True}}}


@pytest.fixture
def notebook(jp_root_dir: Path) -> Callable[..., Path]:
    """Write a notebook into the server's root."""

    def make(name: str = "a.ipynb", cells: dict[str, str] = CELLS) -> Path:
        return write(jp_root_dir / name, cells)

    return make


@pytest.fixture
def run(ran: Path, jp_root_dir: Path, store: Path) -> Callable[[], Path]:
    """Put the notebook, its files and the store back as they were after its run."""

    def make() -> Path:
        shutil.copytree(ran / "kept" / "root", jp_root_dir, dirs_exist_ok=True)
        shutil.copytree(ran / "kept" / "store", store, dirs_exist_ok=True)
        return jp_root_dir / "a.ipynb"

    return make


@pytest.fixture
def ask(jp_fetch: Any) -> Ask:
    """Ask a route and return the status and the answer."""

    async def fetch(route: str, method: str = "GET", body: str | None = None, **options: Any) -> tuple[int, Any]:
        headers = options.pop("headers", None)
        extra = {"headers": headers} if headers is not None else {}
        content = body if body is not None else "" if method in ("PUT", "POST") else None
        parts = ("strata/" + route).split("/")
        found: HTTPResponse = await jp_fetch(
            *parts, method=method, body=content, params=options, raise_error=False, **extra
        )
        return found.code, json.loads(found.body)

    return fetch
