"""What holds before the first cell: what IPython and its startup files did is where every notebook begins."""

import json

import pytest

CELLS = {
    "a": "import math\nd = getattr(math, 'law', -1)",
    "b": "import math, sys\nmath.law = 1\nsys.path.append('/nowhere')\nn = 1",
    "c": "m = n",
}


def test_the_folder_is_on_the_path_when_it_is_set_back(frontend):
    front = frontend()
    (front.folder / "mine.py").write_text("K = 3\n")
    front.hello()
    front.document(**CELLS)
    path = front.value("__import__('sys').path")
    for cell, source in CELLS.items():
        front.run(source, cell)
    front.restart()
    front.hello()
    front.document(**CELLS, d="import mine\nmine.K")
    # The patch of `math` can only be made by its cell, for which the path is set back first.
    assert front.run(CELLS["c"], "c").status == "hit"
    assert front.value("n") == "1"
    assert front.run("import mine\nmine.K", "d").text().strip() == "3"
    assert front.value("[p for p in __import__('sys').path if p != '/nowhere']") == path


@pytest.fixture
def profile(tmp_path):
    folder = tmp_path / "ipython" / "profile_default" / "startup"
    folder.mkdir(parents=True)
    return folder / "00-mine.py"


def test_names_of_startup_files_are_there_and_never_stale(frontend, tmp_path, profile):
    profile.write_text("GIVEN = 5\n")
    front = frontend(IPYTHONDIR=str(tmp_path / "ipython"))
    cells = {"a": "x = 1", "b": "GIVEN + x", "c": "y = x"}
    for value in ("6", "6", "8"):
        front.hello()
        front.document(**cells)
        runs = [front.run(source, cell) for cell, source in cells.items()]
        assert runs[1].text().strip() == value
        assert front.value("GIVEN + x") == value
        profile.write_text("GIVEN = 7\n" if value == "6" and runs[0].status == "hit" else "GIVEN = 5\n")
        front.restart()
    assert [run.status for run in runs] == ["hit", "ran", "hit"]


def test_the_notebook_has_settings_of_its_own(frontend, tmp_path):
    store = tmp_path / "its own"
    notebook = {
        "nbformat": 4, "nbformat_minor": 5, "cells": [],
        "metadata": {"strata": {"cache": {"store": str(store)}, "nonsense": 1}},
    }  # fmt: skip
    path = tmp_path / "nb.ipynb"
    path.write_text(json.dumps(notebook))
    front = frontend(JPY_SESSION_NAME=str(path))
    front.run("x = 1", "a")
    front.restart()
    assert front.run("x = 1", "a").status == "hit"
    assert (store / "ac").is_dir()
    path.write_text("no notebook")
    front.restart()
    assert front.run("x = 1", "a").status == "ran"
