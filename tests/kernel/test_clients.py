"""The clients that people run notebooks with: cold and warm show what the plain kernel shows."""

import copy
import importlib.util
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

CELLS = ["# parameters\nn = 3", "import time\ntime.sleep(0.05)\nxs = list(range(n))\nprint('made', n)", "sum(xs)"]
NOISE = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b(altair-viz-|IPY_MODEL_)?[0-9a-f]{32}\b"), "<hex>"),
    (re.compile(r"\d+:\d\d<\d+:\d\d|[\d.]+it/s|\?it/s|[\d.]+s/it"), "<time>"),
]


def notebook(kernel, cells=CELLS):
    made = new_notebook(
        cells=[new_code_cell(c) for c in cells],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
    )
    if cells is CELLS:
        made.cells[0].metadata["tags"] = ["parameters"]
    return made


def shown(nb):
    """All outputs as comparable text."""
    text = json.dumps([joined(c.outputs) for c in nb.cells], sort_keys=True, indent=1)
    for pattern, stead in NOISE:
        text = pattern.sub(stead, text)
    return text


def joined(outputs):
    """Streams joined, as Jupyter shows them: how they were cut, and how often a bar was drawn, depends on the clock."""
    found = []
    for output in outputs:
        plain = {k: v for k, v in output.items() if k != "execution_count"}
        last = found[-1] if found else {}
        if plain["output_type"] == "stream" and plain["name"] == last.get("name"):
            last["text"] += plain["text"]
        else:
            found.append(plain)
    for output in found:
        if output["output_type"] == "stream":
            output["text"] = re.sub(r"[^\n\r]*\r", "", output["text"])
    return found


@pytest.fixture
def environ(tmp_path):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") and k != "JPY_SESSION_NAME"}
    return {**kept, "STRATA_CACHE_STORE": str(tmp_path / "store"), "STRATA_CACHE_MIN_RUNTIME_MS": "0"}


def call(words, folder, environ, **options):
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=240, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(folder):
    return {p: p.read_bytes() for p in (folder / "store" / "ac").rglob("*.json")}


CLIENTS = {
    "jupyter execute": ["nbclient.cli", "--output=out.ipynb", "nb.ipynb"],
    "nbconvert": ["nbconvert", "--to", "notebook", "--execute", "--output", "out.ipynb", "nb.ipynb"],
    "papermill": ["papermill", "nb.ipynb", "out.ipynb", "-p", "n", "4", "--no-progress-bar"],
}


@pytest.mark.parametrize("client", CLIENTS)
def test_headless(client, tmp_path, environ):
    words = CLIENTS[client]
    if client == "jupyter execute":
        words = ["jupyter", "execute", *words[1:]]
    found = []
    for kernel in ("python3", "strata", "strata"):
        nbformat.write(notebook(kernel), tmp_path / "nb.ipynb")
        call(words, tmp_path, environ)
        before = manifests(tmp_path) if kernel == "strata" else {}
        found.append((nbformat.read(tmp_path / "out.ipynb", 4), before))
    plain, cold, warm = (shown(nb) for nb, _ in found)
    assert cold == plain
    assert warm == plain
    assert found[2][1] == found[1][1], "the second run published nothing"
    assert found[1][1]


def test_console(tmp_path, environ):
    # The console does not wait until it hears the kernel, and for ever for the end of a cell that it did not hear.
    lines = "!sleep 1\nx = 6\nimport time; y = x * 7\ny\nprint('y is', y)\n"
    spoken = []
    for _ in range(2):
        words = ["jupyter", "console", "--kernel", "strata", "--simple-prompt", "--no-confirm-exit"]
        spoken.append(call(words, tmp_path, environ, input=lines))
        assert "42" in spoken[-1]
        assert "y is 42" in spoken[-1]
    strip = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
    assert strip.sub("", spoken[0]) == strip.sub("", spoken[1])


LIBRARIES = {
    "matplotlib": [
        "%matplotlib inline\nimport matplotlib.pyplot as plt",
        "plt.plot([1, 2, 4]);",
        "fig, ax = plt.subplots()\nax.bar([1, 2], [3, 4])\nax",
    ],
    "tqdm": [
        "from tqdm import tqdm\nfrom tqdm.auto import tqdm as auto\nimport sys",
        "for i in tqdm(range(3), file=sys.stdout): pass",
        "for i in auto(range(3)): pass\nprint(i)",
    ],
    "rich": [
        "from rich import print as rprint\nfrom rich.table import Table",
        "rprint('[bold]hello[/bold]', [1, 2])",
        "t = Table('a')\nt.add_row('1')\nt",
    ],
    "plotly": [
        "import plotly.graph_objects as go\nimport plotly.io as pio\npio.renderers.default = 'plotly_mimetype'",
        "fig = go.Figure(go.Scatter(y=[1, 2]))\nfig",
        "fig.show()",
    ],
    "altair": [
        "import altair as alt, pandas as pd",
        "alt.Chart(pd.DataFrame({'x': [1, 2]})).mark_point().encode(x='x')",
    ],
    "ipywidgets": [
        "import ipywidgets as w",
        "s = w.IntSlider(value=3)\ns",
        "s.value",
        "def f(k):\n    print('k is', k)\n    return k",
        "w.interact(f, k=(0, 4));",
        "s.value + 1",
    ],
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_displays(library, tmp_path, environ, monkeypatch):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")
    from nbclient import NotebookClient

    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found, decided = [], []
    for kernel in ("python3", "strata", "strata"):
        nb = notebook(kernel, LIBRARIES[library])
        replies = []
        client = NotebookClient(
            nb,
            kernel_name=kernel,
            resources={"metadata": {"path": str(tmp_path)}},
            timeout=200,
            on_cell_executed=lambda cell, cell_index, execute_reply, replies=replies: replies.append(
                execute_reply["metadata"].get("strata", {})
            ),
        )
        client.execute()
        found.append(shown(nb))
        decided.append([r.get("status") for r in copy.deepcopy(replies)])
    if library != "ipywidgets":
        assert found[1] == found[0]
        assert found[2] == found[0]
        assert set(decided[2]) == {"hit"} or library == "tqdm", decided
        return
    # Widgets are live: they run each time, and show what they show; models have new ids.
    assert len(found[1]) == len(found[0]) == len(found[2])
    assert [d for d in decided[2] if d == "hit"] != []
    assert decided[2][1] == decided[2][4] == "ran"
