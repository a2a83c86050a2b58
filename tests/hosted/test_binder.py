"""Binder's steps, in a clean environment: the demo notebook is open and served, and so is its second run anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosted.lab import lab

ROOT = Path(__file__).parents[2]
DEMO = "examples/wine_frames.ipynb"
BUILT = "strata_labextension/labextension"


def checkout(folder: Path) -> Path:
    """Copy what is under version control, and the lab extension where it has been built, so that none is built here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if (ROOT / BUILT / "package.json").is_file():
        shutil.copytree(ROOT / BUILT, folder / BUILT, dirs_exist_ok=True)
    elif shutil.which("node") is None:
        pytest.skip("the lab extension is not built, and there is no Node to build it")
    return folder


@pytest.fixture(scope="module")
def binder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder and an environment as Binder leaves them after `postBuild`."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    base = tmp_path_factory.mktemp("binder")
    home = checkout(base / "home")
    subprocess.run([sys.executable, "-m", "venv", str(base / "venv")], check=True)
    dropped = ("STRATA_", "JUPYTER", "PYTHON", "VIRTUAL_ENV", "XDG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    cache = Path.home() / ".cache" / "uv"
    environ |= {"HOME": str(home), "PATH": f"{base / 'venv' / 'bin'}{os.pathsep}{environ['PATH']}"}
    environ |= {"UV_CACHE_DIR": environ.get("UV_CACHE_DIR", str(cache)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "binder/postBuild"], cwd=home, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "strata" in done.stdout
    yield home, environ
    shutil.rmtree(base, ignore_errors=True)


def statuses(home: Path, environ: dict[str, str]) -> set[str]:
    command = ["strata", "run", "--format", "json", DEMO]
    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return {r["status"] for r in map(json.loads, done.stdout.splitlines()) if r["type"] == "cell"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_is_served_at_once_and_elsewhere_the_second_time(
    binder: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    home, environ = binder
    assert statuses(home, environ) == {"cached"}
    elsewhere = {**environ, "STRATA_CACHE_STORE": str(tmp_path / "store")}
    assert statuses(home, elsewhere) == {"ok"}
    assert statuses(home, elsewhere) == {"cached"}


class Stay(urllib.request.HTTPRedirectHandler):
    """Shows where a page leads instead of going there."""

    def redirect_request(self, *arguments: object) -> None:
        return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_lab_opens_the_demo(binder: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    home, environ = binder
    with lab(home, environ, tmp_path / "log") as address:
        with pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.build_opener(Stay).open(address, timeout=60)
        assert found.value.code == 302
        assert found.value.headers["Location"].partition("?")[0].endswith(f"/lab/tree/{DEMO}")
        cells = json.load(urllib.request.urlopen(f"{address}strata/notebook?path={DEMO}", timeout=60))["cells"]
        assert {cell["state"] for cell in cells} == {"servable"}


def test_binder_takes_the_oldest_python_that_we_support() -> None:
    assert "python=3.11" in (ROOT / "binder" / "environment.yml").read_text()
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
    assert (ROOT / DEMO).is_file()
