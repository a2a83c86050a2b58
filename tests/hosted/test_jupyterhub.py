"""Under a real JupyterHub every user opens Lab, is served a cached cell, and has a store of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

pytest.importorskip("jupyterhub")

from tests.hosted.hub import Hub, User

CELL = "import time\ntime.sleep(0.05)\ntotal = sum(range(1000))\ntotal"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> str:
    if found := shutil.which("configurable-http-proxy"):
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here, and without it no configurable-http-proxy")
    folder = tmp_path_factory.mktemp("proxy")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "configurable-http-proxy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        pytest.skip(f"npm cannot install configurable-http-proxy: {done.stderr[-300:]}")
    return str(folder / "node_modules" / ".bin" / "configurable-http-proxy")


@pytest.fixture
def hub(tmp_path: Path, proxy: str) -> Iterator[Hub]:
    made = Hub(tmp_path, proxy, ["--Strata.store=~/stores/$JUPYTERHUB_USER", "--Strata.max_bytes=1000000000"])
    try:
        made.wait()
        yield made
    finally:
        left = made.stop()
    assert left == [], "processes that outlived the hub"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="JupyterHub does not run on Windows")
def test_each_user_is_served_from_a_store_of_their_own(hub: Hub) -> None:
    stores = {}
    with ExitStack() as stack:
        users = [stack.enter_context(closing(User(hub, name))) for name in ("ada", "ben")]
        for user in users:
            user.log_in()
            user.start_server()
            page = user.browser.get(f"/user/{user.name}/lab")
            assert page.status_code == 200
            assert 'id="jupyter-config-data"' in page.text
            assert '"strata-labextension"' in page.text
            user.open_notebook(CELL)
            # What one user has run is nothing to the other.
            assert user.run(CELL)["metadata"]["strata"]["status"] == "ran"
            user.restart_kernel()
            reply = user.run(CELL)
            assert reply["content"]["status"] == "ok"
            assert reply["metadata"]["strata"]["status"] == "hit"
            stores[user.name] = user.ask("GET", "strata/store")
            assert user.ask("GET", "strata/notebook?path=n.ipynb")["cells"][0]["state"] == "servable"
        for user in users:
            store = user.home / "stores" / user.name
            assert stores[user.name]["path"] == str(store)
            assert (stores[user.name]["entries"], stores[user.name]["limit"]) == (1, 1_000_000_000)
            assert store.stat().st_mode & 0o077 == 0
        ada, ben = users
        assert ada.api.get(f"/user/{ben.name}/strata/store").status_code in (403, 404)
