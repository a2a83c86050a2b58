"""A worker in the environment of a lock: its versions, its packages alone, made once, and never half."""

import importlib.metadata
import os
import shutil
import subprocess
import sys

import pytest

from strata_kernel.errors import InvocationError
from strata_kernel.worker.syncing import find_lock, name_of, synced
from tests.worker.conftest import GPU, TOKEN, declare

PROJECT = """[project]
name = "demo"
version = "0"
requires-python = ">=3.11"
dependencies = ["iniconfig==1.1.1"]
"""
#: From the cache, where it can be.
QUICK = {"UV_LINK_MODE": "hardlink"}


def test_cells_run_in_the_environment_of_the_lock(frontend, worker, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    subprocess.run([sys.executable, "-m", "uv", "lock", "--quiet"], cwd=project, check=True)
    made = worker("--sync", str(project), **QUICK)
    declare(tmp_path, gpu=made.url)
    front = frontend(MY_WORKER=TOKEN)
    here = importlib.metadata.version("iniconfig")
    assert here != "1.1.1"
    cell = GPU + (
        "import iniconfig, os, sys, importlib.metadata, importlib.util\n"
        "print(importlib.metadata.version('iniconfig'), 'WORKER_TOKEN' in os.environ)\n"
        "print(sys.prefix, importlib.util.find_spec('pandas'))"
    )
    got = front.run(cell, "a")
    environment = made.folder / "work" / "environments" / name_of(project / "uv.lock")
    assert (got.error, got.text()) == (None, f"1.1.1 False\n{environment} None\n")
    assert f"iniconfig is 1.1.1 on gpu and {here} here" in got.reasons
    assert "environment" in got.codes
    # It is made once, and what was made half is made anew: here by two at once. Workers may share a folder.
    again = worker("--work-dir", str(made.folder / "work"), "--sync", str(project), **QUICK)
    assert '"event": "uv"' not in again.logged()
    assert front.run(GPU + "print('still well')", "b").text() == "still well\n"
    again.stop()
    made.stop()
    (environment / "strata-complete").unlink()
    shutil.rmtree(next(environment.glob("lib/*/site-packages")) / "iniconfig")
    code = "import pathlib, sys; from strata_kernel.worker.running import log_lines as l; l(); "
    code += "from strata_kernel.worker.syncing import synced; print(synced(*map(pathlib.Path, sys.argv[1:])))"
    words = [sys.executable, "-c", code, str(project), str(made.folder / "work")]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | QUICK)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=60) for each in both]
    assert [out.strip() for out, _ in said] == [str(environment / "bin" / "python")] * 2, said
    assert sorted("makes the environment" in log for _, log in said) == [False, True]
    python = environment / "bin" / "python"
    assert subprocess.run([python, "-Pc", "import iniconfig, strata_kernel"]).returncode == 0


def test_what_cannot_be_made_is_told_in_the_words_of_uv_and_not_used(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text("iniconfig==0.0.999\n")
    words = ["worker", "--port", "0", "--work-dir", str(tmp_path / "work"), "--sync", str(lock)]
    for _ in range(2):
        done = subprocess.run([sys.executable, "-m", "strata_kernel.cli", *words], capture_output=True, text=True)
        assert done.returncode == 2
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"strata: uv cannot make the environment of {lock} (`uv pip`): ")
        assert "there is no version of iniconfig==0.0.999" in last
    assert list((tmp_path / "work" / "environments").glob("*/strata-complete")) == []


def test_a_lock_that_a_worker_cannot_live_with_wins(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text("msgspec==0.18.6\n")
    with pytest.raises(InvocationError, match=r"msgspec>=0\.19") as caught:
        synced(lock, tmp_path / "work")
    assert "msgspec==0.18.6" in str(caught.value)


def test_the_lock_is_found_where_one_expects_it(tmp_path):
    below = tmp_path / "project" / "notebooks"
    below.mkdir(parents=True)
    notebook = below / "a.ipynb"
    notebook.write_text("{}")
    with pytest.raises(InvocationError, match=r"no uv\.lock, pylock\.toml or requirements\.txt in .*: `uv lock`"):
        find_lock(below)
    (tmp_path / "project" / "pyproject.toml").write_text(PROJECT)
    with pytest.raises(InvocationError, match=r"in .*project: run `uv lock` there first"):
        find_lock(notebook)
    with pytest.raises(InvocationError, match="no such file or folder"):
        find_lock(below / "none")
    lock = tmp_path / "project" / "uv.lock"
    lock.write_text("version = 1\n")
    assert find_lock(below) == find_lock(notebook) == find_lock(tmp_path / "project" / "pyproject.toml") == lock
    own = below / "requirements.txt"
    own.write_text("-r more.txt\n")
    (below / "more.txt").write_text("a==1\n")
    assert find_lock(below) == find_lock(own) == own
    names = {name_of(own), name_of(own)}
    (below / "more.txt").write_text("a==2\n")
    assert len({*names, name_of(own), name_of(lock)}) == 3


def test_without_uv_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(InvocationError, match="pip install uv"):
        synced(tmp_path, tmp_path / "work")
