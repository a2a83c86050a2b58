"""Small notebooks with the semantics of nbclient's own corpus: ipykernel and Strata, cold and warm, show the same."""

import contextlib
import copy
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = os.environ.get("LAWS_KERNEL", "strata")
NOISE = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\bat 0x[0-9a-fA-F]+"), "at 0x"),
    (re.compile(r"/tmp/ipykernel_\d+/\d+\.py"), "<cell>"),
    (re.compile(r"<ipython-input-[^>]+>"), "<cell>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<hex>"),
    (re.compile(r"IPY_MODEL_\w+"), "IPY_MODEL"),
]
IMPORTS = "from IPython.display import display, clear_output, update_display, HTML, SVG, Latex, Math, JSON, Markdown\nimport sys"


def tagged(source, *tags):
    return new_code_cell(source, metadata={"tags": list(tags)})


CORPUS = {
    "clear_output": [
        IMPORTS,
        "print('gone')\nclear_output()",
        "print('gone')\nclear_output()\nprint('kept')",
        "print('replaced')\nclear_output(wait=True)\nprint('new')",
        "print('stays')\nclear_output(wait=True)",
        "for i in range(3):\n    clear_output(wait=True)\n    display(i)",
        "display('shown', display_id='d')\nclear_output()\nprint('after')",
        "h = display('one', display_id='e')\nclear_output(wait=True)\nh = display('two', display_id='e')",
    ],
    "display_id": [
        IMPORTS,
        "h = display('first', display_id='here')",
        "display('other', display_id='there')\ndisplay('second copy', display_id='here')",
        "h.update('third')",
        "update_display(HTML('<i>fourth</i>'), display_id='there')",
        "for i in range(3):\n    h.update({'n': i})",
    ],
    "allowed_errors": [
        "x = 1",
        tagged("x += 1\nraise ValueError('expected')", "raises-exception"),
        "print(x)",
        tagged("undefined_name", "raises-exception"),
        tagged("def broken(:", "raises-exception"),
        "x",
    ],
    "skipped": ["x = 1", tagged("x = 2\nprint('never')", "skip-execution"), "print(x)", "", "# only a comment", "x"],
    "streams": [
        IMPORTS,
        "print('a', end='')\nprint('b')\nsys.stdout.write('c\\n')\nprint('d', flush=True)",
        "for i in range(5):\n    print(i, flush=True)",
        "print('err', file=sys.stderr)",
        "print('one')\ndisplay('between')\nprint('two')",
        "print('progress 1', end='\\r')\nprint('progress 2', end='\\r')\nprint('done      ')",
        "print('\u00fcn\u00efc\u00f6d\u00e9 \U0001f600')",
    ],
    "rich": [
        IMPORTS,
        'SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>\')',
        "HTML('<table><tr><td>1</td></tr></table>')",
        "display(Latex('$a^2$'), Math('x'))",
        "JSON({'a': [1]}, expanded=True)",
        "class R:\n    def _repr_html_(self):\n        return '<p>r</p>'\n    def __repr__(self):\n        return 'R()'\nR()",
        "class B:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'text/plain': 'b', 'application/x-b+json': {'n': 1}}, {'application/x-b+json': {'m': 2}}\nB()",
        "display({'text/plain': 'raw', 'text/markdown': '*raw*'}, raw=True)",
        "[]",
        "None",
        "1;",
    ],
    "input_disabled": [tagged("name = input('who? ')", "raises-exception"), "print('name' in globals())"],
    "widgets": [
        "import ipywidgets as w\nfrom IPython.display import clear_output, display",
        "out = w.Output()\nout",
        "with out:\n    print('in the widget')\n    display(7)",
        "out.clear_output()\nwith out:\n    print('anew')",
        "s = w.IntSlider(3)\ndisplay(s)",
        "s.value = 5\ns.value",
    ],
    "history": ["1 + 1", "_ + 1", "_1, _2, Out[1]", "In[1]", "__"],
    "magics": [
        "%%capture cap\nprint('inside')",
        "cap.stdout",
        "%env LAW_CORPUS=1",
        "import os\nos.environ['LAW_CORPUS']",
        "%%writefile w.txt\nline",
        "open('w.txt').read()",
        "!echo shell",
    ],
    "async": [
        "import asyncio",
        "await asyncio.sleep(0.01)\nprint('awaited')",
        "async def agen():\n    yield 1\nasync def f():\n    return 3\nx = await f()\nx",
        "[i async for i in agen()]",
    ],
    "mixed": [
        new_markdown_cell("# A title"),
        "def f(n=2):\n    return n * 3",
        new_markdown_cell("text"),
        "f()",
        "f(4)",
    ],
}


def notebook(cells):
    made = [new_code_cell(c) if isinstance(c, str) else copy.deepcopy(c) for c in cells]
    for i, cell in enumerate(made):
        cell["id"] = f"cell-{i}"
    return new_notebook(cells=made, metadata={"language_info": {"name": "python"}})


def executed(cells, kernel, folder, **options):
    """Run a notebook with nbclient; return it and the name of what it raised."""
    folder.mkdir(parents=True, exist_ok=True)
    made = notebook(cells)
    client = NotebookClient(
        made, kernel_name=kernel, timeout=60, resources={"metadata": {"path": str(folder)}}, **options
    )
    raised = None
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e:
        raised = type(e).__name__
    return made, raised


def scrubbed(value):
    if isinstance(value, str):
        for pattern, to in NOISE:
            value = pattern.sub(to, value)
        return value
    if isinstance(value, dict):
        return {k: scrubbed(v) for k, v in value.items()}
    return [scrubbed(v) for v in value] if isinstance(value, list) else value


def shown(made):
    """What a reader sees: counts and outputs of each cell, streams coalesced as nbformat does, widget ids renamed in order."""
    out, models = [], {}
    for cell in made.cells:
        if cell.cell_type != "code":
            continue
        outputs = []
        for o in json.loads(nbformat.writes(new_notebook(cells=[cell])))["cells"][0]["outputs"]:
            o = {k: "".join(v) if k == "text" and isinstance(v, list) else v for k, v in o.items()}
            view = o.get("data", {}).get("application/vnd.jupyter.widget-view+json")
            if view:
                view["model_id"] = models.setdefault(view["model_id"], f"model {len(models)}")
            if o["output_type"] == "error":
                o["traceback"] = [
                    line.strip()
                    for line in "\n".join(scrubbed(o["traceback"])).split("\n")
                    if line.startswith(("-", o["ename"]))
                ]
            before = outputs[-1] if outputs else {}
            if o["output_type"] == "stream" and before.get("name") == o["name"]:
                before["text"] += o["text"]  # how a stream is cut into messages is a matter of time
            else:
                outputs.append(o)
        streams = [o for o in outputs if o["output_type"] == "stream"]
        others = [o for o in outputs if o["output_type"] != "stream"]
        kinds = {s["name"] for s in streams}
        out.append((cell.source, cell.execution_count, scrubbed(outputs if len(kinds) < 2 else [streams, others])))
    return out


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATA_CACHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("STRATA_CACHE_MIN_RUNTIME_MS", "0")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    return tmp_path / "store"


@pytest.mark.parametrize("name", CORPUS)
def test_outputs_equal_those_of_ipykernel(name, store, tmp_path):
    if name == "widgets":
        pytest.importorskip("ipywidgets")
    plain, raised = executed(CORPUS[name], "python3", tmp_path / "plain")
    for run in ("cold", "warm"):
        made, failed = executed(CORPUS[name], KERNEL, tmp_path / "strata")
        assert failed == raised, run
        assert shown(made) == shown(plain), run


@pytest.mark.parametrize("options", [{"allow_errors": True}, {}], ids=["allowed", "stopping"])
def test_an_error_stops_or_does_not(options, store, tmp_path):
    cells = ["x = [1]", "x.append(2)\n1 / 0", "print(x)", "y = len(x)\ny"]
    plain = executed(cells, "python3", tmp_path / "plain", **options)
    for run in ("cold", "warm"):
        made, raised = executed(cells, KERNEL, tmp_path / "strata", **options)
        assert raised == plain[1], run
        assert shown(made) == shown(plain[0]), run


def test_an_interrupted_cell_leaves_a_sound_store(store, tmp_path):
    cells = ["x = [1]", "x.append(2)\nimport time\ntime.sleep(60)"]
    options = {"interrupt_on_timeout": True, "allow_errors": True}
    for _ in range(2):
        made = notebook([*cells, "print(x)"])
        client = NotebookClient(
            made, kernel_name=KERNEL, timeout=12, resources={"metadata": {"path": str(tmp_path)}}, **options
        )
        with contextlib.suppress(CellTimeoutError, CellExecutionError):
            client.execute()
        errors = [o["ename"] for o in made.cells[1].outputs if o["output_type"] == "error"]
        assert errors == ["KeyboardInterrupt"]
    made, raised = executed([cells[0], "x.append(3)", "print(x)"], KERNEL, tmp_path)
    assert raised is None
    assert made.cells[2].outputs[0]["text"] == "[1, 3]\n"


def test_notebooks_in_parallel_on_one_store(store, tmp_path):
    cells = [
        "import time",
        "a = list(range(5))",
        "time.sleep(0.2)\nb = [n * n for n in a]",
        "print(sum(b))",
        "b.append({n})\nb[-1]",
    ]
    books = [[c.replace("{n}", str(n)) for c in cells] for n in range(4)]
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda n: executed(books[n], KERNEL, tmp_path / f"w{n}"), range(4)))
        for n, (made, raised) in enumerate(done):
            assert raised is None
            assert made.cells[3].outputs[0]["text"] == "30\n"
            assert made.cells[4].outputs[0]["data"]["text/plain"] == str(n)
