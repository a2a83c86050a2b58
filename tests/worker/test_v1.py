"""The published protocol in both directions: our kernel on executors of others, and their clients on our worker."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Frontend
from tests.runner.test_runner import write
from tests.worker.conftest import GPU, TOKEN, WorkerProcess, declare, until
from tests.worker.meeting import Meeting

EXAMPLES = int(os.environ.get("STRATA_LAWS_AWAY", "4"))


class Executor:
    """A published executor that is none of ours."""

    def __init__(self, folder):
        folder.mkdir()
        script = Path(__file__).with_name("executor.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder / "url"), TOKEN], stdin=subprocess.PIPE
        )
        until((folder / "url").exists)
        self.url = (folder / "url").read_text()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A worker of ours that speaks nothing else."""
    made = WorkerProcess(tmp_path_factory.mktemp("ours"), "--protocol", "v1", "--max-input-bytes", "3000000")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    made = Executor(tmp_path_factory.mktemp("theirs") / "executor")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def kernel(ours, theirs, tmp_path_factory):
    """A kernel that has both: `gpu` is ours, `other` is not."""
    folder = tmp_path_factory.mktemp("kernel")
    declare(folder, gpu=ours.url, other=theirs.url + "/v1/execute", nobody="http://127.0.0.1:9")
    lines = (folder / "strata.toml").read_text().replace('name = "other"', 'name = "other"\nbackend = "executor"')
    (folder / "strata.toml").write_text(lines)
    (folder / "mine.py").write_text("ONE = 1\n")
    front = Frontend(folder, folder / "store", MY_WORKER=TOKEN)
    yield front
    front.stop()


def play(front, cells):
    front.document(**cells)
    return {cell: front.run(source, cell) for cell, source in cells.items()}


def alone(front, *sources):
    """Run cells that stand alone in the document, and return the last one."""
    return list(play(front, {f"x{i}": source for i, source in enumerate(sources)}).values())[-1]


CELLS = {
    "above": "import math\nimport random\nx = 20\nxs = [1]\nal = [1]\nal2 = al\nk = 3\nrandom.seed(3)\n"
    "def double(v):\n    return 2 * v\ndef with_k(v):\n    return v + k\n"
    "class Box:\n    def __init__(self, v):\n        self.v = v\nbox = Box(5)",
    "far": GPU + "y = double(x) + math.floor(1.5)\nprint('there')\ny",
    "near": "print(y * 2)",
    "defines": GPU + "def more(v):\n    return v + y\nclass Bag:\n    def __init__(self, v):\n        self.v = v\n"
    "bag = Bag(more(1))\nbox2 = Box(box.v + 1)",
    "uses": "print(bag.v, type(bag) is Bag, more(2), type(box2) is Box, box2.v)",
    "changes": GPU + "xs.append(2)",
    "changed": "print(xs)",
    "alias": GPU + "al.append(5)\nal2.append(6)\nm = al\npair = (al, [al])",
    "aliases": "al.append(7)\nprint(al2, m is al, al is al2, pair[0] is al, pair[1][0] is al)",
    "rebinds": GPU + "k = 10\nz = with_k(1)",
    "rebound": "print(z, with_k(1))",
    "deletes": GPU + "del z\n_hidden = [x]",
    "deleted": "print('z' in globals(), _hidden)",
    "draws": GPU + "r = random.random()",
    "drawn": "print(r, random.random())",
    "values": GPU + "d = {1: 'a', (1, 2): 10**30}\nnothing = None\nnested = ((1, [2]), {3}, b'4')\nnan = float('nan')",
    "valued": "print(d, nothing, nested, nan)",
    "lost": GPU + "numbers = (i for i in range(3))\nkept = [1]",
    "found": "print(kept, list(numbers))",
    "future": GPU + "from __future__ import annotations\ndef late(v: Absent) -> Absent:\n    return v\nlate(4)",
    "frame": GPU + "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]}, index=['p', 'q'])\ncol = df['a']\ndf",
    "framed": "df.loc['p', 'a'] = 9\nprint(df.a.tolist(), col.tolist())",
}  # fmt: skip


def test_a_notebook_here_and_there(kernel):
    told = {}
    for where in ("gpu", "local", "other", "gpu"):
        cells = {c: s.replace(GPU, f"# @worker {where}\n") for c, s in CELLS.items()}
        got = play(kernel, cells)
        assert {c: (r.error, r.content.get("evalue")) for c, r in got.items() if r.error} == {}
        texts = {c: r.text() for c, r in got.items()}
        assert texts == told.setdefault("first", texts)
        if where in told:
            # What only a run here could bring replaced the run there; all else was served.
            assert {c for c, r in got.items() if r.status != "hit"} <= {"lost", "found"}
        told[where] = got["far"].decision["worker"]
        kernel.restart()
    assert (told["gpu"], told["other"]) == ("gpu", "other")


def test_results_are_frozen_until_the_cell_is_run_anew(kernel):
    clock = "# @worker gpu\nimport time\nt = time.time()"
    cells = {"t": clock, "u": "print(t)"}
    first = play(kernel, cells)
    assert "does not tell what it read" in str(first["t"].decision["reasons"])
    state = kernel.hear(lambda m: m["type"] == "cell-status" and m["id"] == "t" and m["state"] == "frozen")
    assert any("does not tell" in r["text"] for r in state["reasons"])
    kernel.restart()
    again = play(kernel, cells)
    assert again["t"].status == again["u"].status == "hit"
    assert again["u"].text() == first["u"].text()
    assert alone(kernel, clock.replace("gpu", "gpu\n# @cache off"), "print(t)").text() != first["u"].text()


def test_errors_of_the_cell(kernel):
    for name in ("gpu", "other"):
        got = alone(kernel, f"# @worker {name}\ndef bad():\n    raise KeyError('boo')\n\nbad()")
        assert (got.error, got.content["evalue"]) == ("KeyError", "'boo'")
        text = "\n".join(got.content["traceback"])
        assert "line 5" in text
        assert "line 3, in bad" in text
        assert "strata_kept" not in text


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["g = lambda v: v", GPU + "g(1)"], "`g` cannot be packed"),
        ([GPU + "import mine\nmine.ONE"], "your module `mine`"),
        (["import mine", GPU + "mine.ONE"], "your module `mine`"),
        ([GPU + "%time 1"], "no plain Python"),
        ([GPU + "import asyncio\nawait asyncio.sleep(0)"], "no plain Python"),
        (["import decimal\ndecimal.getcontext().prec = 5", GPU + "decimal.Decimal(1) / 3"], "the state of decimal"),
        (["import math\nmath.tau = 6", GPU + "math.tau"], "changed by a cell above"),
        (["import numpy as np\na = np.zeros(4)\nb = a[1:]", GPU + "a[1] = 2\nb"], "shares memory"),
        (["def f():\n    pass", GPU + "f.mark = 1"], "changes `f`"),
        (["7", GPU + "print(_)"], "the last result"),
    ],
)
def test_what_cannot_travel_is_named(kernel, sources, said):
    got = alone(kernel, *sources)
    assert said in got.content["evalue"], got.content
    assert got.error == "WorkerError"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("OUTSIDE", "lies outside"),
        ("ABSOLUTE", "lies outside"),
        ("LINKED", "manifest.json is not one"),
        ("HUGE", "too large"),
        ("NOTAR", "no archive"),
        ("EMPTY", "gave back nothing"),
        ("BUSY", "takes no cells now: Worker is running 1 of 1"),
        ("CRASHED", "could not run the cell to its end: Harness did not"),
        ("SLOW", "gave up: Cell timed out"),
        ("LARGE", "too large for worker other: too many bytes"),
        ("STRANGE", "refused the cell (400): Unsupported transform"),
        ("VANISH", "ended before the cell did"),
        ("FAILED", "could not run the cell to its end: no machine was to be had"),
        ("OVERTIME", "gave up: it took too long"),
        ("ODD", "its job is 'finished'"),
        ("ELSEWHERE", "its job is not where the executor is"),
        ("UNREADABLE", "its job is not where the executor is"),
    ],
)
def test_executors_in_trouble(kernel, word, said):
    got = alone(kernel, f"# @worker other\nmine = '{word}'")
    assert (got.error, said in got.content["evalue"]) == ("WorkerError", True), got.content
    assert alone(kernel, "print('mine' in globals())").text() == "False\n"


def test_workers_out_of_reach(kernel, ours, theirs, frontend, tmp_path):
    got = alone(kernel, "# @worker nobody\n1")
    assert (got.error, "cannot be reached" in got.content["evalue"]) == ("WorkerError", True)
    got = alone(kernel, "big = b'x' * 4_000_000", GPU + "len(big)")
    assert "too large for worker gpu" in got.content["evalue"]
    got = alone(kernel, GPU + "# @timeout 0.5\nimport time\ntime.sleep(30)")
    assert "timed out after 0.5 s" in got.content["evalue"]
    got = alone(kernel, GPU + "import os\nos._exit(3)")
    assert "could not run the cell to its end" in got.content["evalue"]
    declare(tmp_path, gpu=ours.url, other=theirs.url)
    front = frontend(MY_WORKER="wrong")
    for name in ("gpu", "other"):
        got = alone(front, "big = b'x' * 2_000_000", f"# @worker {name}\nlen(big)")
        assert "wants another token" in got.content["evalue"]
        assert "MY_WORKER" in got.content["evalue"]


def test_an_interrupt_closes_the_connection_and_our_worker_ends_the_cell(kernel, ours):
    kernel.document(a=GPU + "import time\ntime.sleep(60)")
    message = kernel.send(GPU + "import time\ntime.sleep(60)", "a")
    with ours.client() as client:
        until(lambda: client.get("/health").json()["active_executions"] == 1)
        kernel.manager.interrupt_kernel()
        got = kernel.finish(message)
        assert got.error == "KeyboardInterrupt"
        # It is told at once, unless it has noticed already that nobody waits.
        assert re.search("gpu was (told to end the cell|closed)", got.content["evalue"])
        until(lambda: client.get("/health").json()["active_executions"] == 0)
    assert alone(kernel, GPU + "print('well')").text() == "well\n"


def test_executors_that_begin_later(kernel):
    """One that is full is asked again, one that starts a machine is asked until the cell has run there."""
    assert alone(kernel, "# @worker other\nfull = 'FULL'\nprint(full)").text() == "FULL\n"
    cells = {"a": "# @worker other\nlater = 'LATER'\nprint(later)", "b": "print(later * 2)"}
    got = play(kernel, cells)
    assert (got["a"].text(), got["b"].text()) == ("LATER\n", "LATERLATER\n")


@pytest.mark.parametrize("word", ["NEVER", "ENDLESS"])
def test_a_job_is_cancelled_with_its_cell(kernel, theirs, word):
    source = f"# @worker other\nword = '{word}'"
    kernel.document(a=source)
    before, followed = (len(httpx.get(theirs.url + p, trust_env=False).json()) for p in ("/cancelled", "/followed"))
    message = kernel.send(source, "a")
    until(lambda: len(httpx.get(theirs.url + "/followed", trust_env=False).json()) > followed)
    kernel.manager.interrupt_kernel()
    got = kernel.finish(message)
    assert (got.error, got.content["evalue"]) == ("KeyboardInterrupt", "other was told to end the cell")
    after = httpx.get(theirs.url + "/cancelled", trust_env=False).json()
    assert len(after) == before + 1
    assert re.fullmatch("/v1/executions/notebook-[0-9a-f]{12}/cancel", after[-1])


def test_executors_that_tell_of_all_displays(kernel):
    got = alone(kernel, "# @worker other\n'DISPLAYS'")
    assert got.error == "Exception"
    shown = [content["data"] for kind, content in got.outputs if kind == "display_data"]
    assert [next(iter(data)) for data in shown] == ["text/markdown", "text/plain", "image/png"]
    assert shown[1] == {"text/plain": "[2]"}


# Law

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=3) | st.tuples(st.integers()), inner, max_size=3)
        | st.frozensets(st.integers(0, 7), max_size=3)
    ),
    max_leaves=8,
).map(lambda value: repr(value).replace("nan", "float('nan')").replace("inf", "float('inf')"))
ARRAYS = st.sampled_from([
    "np.arange(6).reshape(2, 3)", "np.array([1.5, float('nan')], dtype='float32')", "np.array(['a', 'bc'])",
    "np.array([None, {}], dtype=object)", "np.int64(3)", "np.array(4)", "np.zeros((2, 3), order='F')",
    "pd.DataFrame({'a': [1, None], 'b': ['x', 'y']})", "pd.Series([1, 2], name=3, index=pd.to_datetime([0, 1]))",
    "pd.DataFrame({('p', 1): pd.Categorical(['u', 'v'])})", "pd.Timestamp('2026-01-02', tz='UTC')",
])  # fmt: skip
SHOW = (
    "print([(type(v).__name__, repr(v), getattr(v, 'dtype', None)) for v in (a, b, c, d)])\n"
    # Whether equal values that cannot change are one object is Python's own choice.
    "print(isinstance(a, (list, dict)) and (a is b, c[0] is c[1], d[0] is a))"
)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(VALUES | ARRAYS, VALUES | ARRAYS)
def test_values_here_and_there(kernel, one, other):
    def cells(where):
        return {
            "v": f"import numpy as np, pandas as pd\na = {one}\nb = a\nc = [a, a]",
            "w": f"# @worker {where}\nd = [a, {other}]\nc.append({other})",
            "s": SHOW,
        }

    here = {c: (r.error, r.text()) for c, r in play(kernel, cells("local")).items()}
    assert here["s"][0] is None
    for _ in range(2):
        assert {c: (r.error, r.text()) for c, r in play(kernel, cells("gpu")).items()} == here


# Our worker, as a client of others sees it


def asked(worker, source, inputs=None, **params):
    params = {"source": source, "timeout_seconds": 10.0, "mounts": [], "env": {}, **params}
    metadata = {
        "protocol_version": "v1", "build_id": "b", "tenant": None, "principal": None, "provenance_hash": "p",
        "transform": {"ref": "notebook_cell@v1", "code_hash": "c", "params": params},
        "inputs": [{"name": n, "format": f, "uri": None, "byte_size": 0} for n, (_, f, _) in (inputs or {}).items()],
    }  # fmt: skip
    files = [("metadata", ("metadata.json", json.dumps(metadata).encode(), "application/json"))]
    files += [(field, (field, content, "application/octet-stream")) for field, _, content in (inputs or {}).values()]
    with worker.client() as client:
        return client.post("/v1/execute", files=files, headers={"X-Strata-Executor-Protocol": "v1"})


def opened(response):
    assert response.status_code == 200, response.text
    assert response.headers["X-Strata-Output-Format"] == "notebook-output-bundle@v1"
    assert response.headers["X-Strata-Executor-Protocol"] == "v1"
    assert response.headers["X-Strata-Notebook-Executor-Protocol"] == "notebook-cell-v1"
    with tarfile.open(fileobj=io.BytesIO(response.content), mode="r:gz") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    manifest = json.loads(members["manifest.json"])
    assert manifest["schema_version"] == "notebook-output-bundle@v1"
    assert json.loads(members["console.json"]) == {
        "stdout": members[manifest["stdout_file"]].decode(),
        "stderr": members[manifest["stderr_file"]].decode(),
    }
    for told in manifest["variables"].values():
        if "error" not in told:
            assert told["file"].startswith("files/")
            assert len(members[told["file"]]) == told["bytes"]
    return manifest, members


def unpickled(content):
    return pickle.loads(pickle.loads(content)["payload"])


def test_what_our_worker_says_of_itself(ours):
    with httpx.Client(base_url=ours.url, trust_env=False) as client:
        said = client.get("/health").json()
        assert client.post("/v2/execute", content=b"{}").status_code in (401, 404)
    assert said["status"] == "healthy"
    assert said["capabilities"]["protocol_versions"] == ["v1"]
    assert said["capabilities"]["transform_refs"] == ["notebook_cell@v1"]
    assert said["capabilities"]["features"]["output_format"] == "notebook-output-bundle@v1"
    assert said["active_executions"] == 0


def test_the_bundle(ours):
    import pyarrow

    table = pyarrow.table({"a": [1, 2]}).replace_schema_metadata(
        {b"strata.arrow.shape": b"table", b"strata.arrow.source": b"pandas.DataFrame"}
    )
    stream = io.BytesIO()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    module = {"module_name": "nb_m", "symbol_name": "f", "source": "def f(v):\n    return v + 1\n"}
    inputs = {
        "x": ("x", "json/object", b"41"),
        "df": ("df.arrow", "arrow/ipc", stream.getvalue()),
        "xs": ("xs", "pickle/object", pickle.dumps([1, (2,)])),
        "math": ("math", "module/import", b'{"module_name": "math"}'),
        "f": ("f", "module/cell", json.dumps(module).encode()),
    }
    source = (
        "import os, sys\nprint('hi', os.environ['WHO'])\nprint('oh', file=sys.stderr)\n_private = 1\n"
        "y = f(x)\ntable = df * 2\nnumbers = {1: 'a'}\nbad = (i for i in xs)\nxs.append(3)\n"
        "from IPython.display import Markdown, display\ndisplay(Markdown('**m**'))\ntable"
    )
    manifest, members = opened(asked(ours, source, inputs, env={"WHO": "me"}, mutation_defines=["xs"]))
    assert manifest["success"] is True
    assert (manifest["error"], manifest["traceback"]) == (None, None)
    variables = manifest["variables"]
    assert (members["stdout.txt"], members["stderr.txt"]) == (b"hi me\n", b"oh\n")
    assert json.loads(members["files/y.json"]) == 42
    assert variables["y"]["preview"] == 42
    assert unpickled(members["files/numbers.pickle"]) == {1: "a"}
    assert unpickled(members["files/xs.pickle"]) == [1, (2,), 3]
    assert variables["bad"]["type"] == "generator"
    assert "file" not in variables["bad"]
    assert "_private" not in variables
    assert "x" not in variables
    assert variables["table"]["content_type"] == "arrow/ipc"
    assert variables["table"]["rows"] == 2
    back = pyarrow.ipc.open_stream(members["files/table.arrow"]).read_all()
    assert back.to_pandas()["a"].tolist() == [2, 4]
    assert members["display/0.md"] == b"**m**"
    assert "text/html" in json.loads(members["display/1.json"])["content"]["data"]
    assert variables["_"]["file"] == "files/__display__0.arrow"
    assert members["outputs/y.json"] == members["files/y.json"]
    assert "error.json" not in members


def test_a_picture_is_the_last_display(ours):
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    manifest, members = opened(asked(ours, source))
    told = manifest["variables"]["_"]
    assert (told["content_type"], told["file"]) == ("image/png", "files/__display__0.png")
    assert members[told["file"]] == members["display/0.png"]
    assert members["display/0.png"].startswith(b"\x89PNG")


def test_a_cell_that_fails(ours):
    manifest, members = opened(asked(ours, "print('before')\n{}['missing']"))
    assert manifest["success"] is False
    assert manifest["error"] == "'missing'"
    assert "KeyError" in manifest["traceback"]
    assert "\x1b" not in manifest["traceback"]
    assert manifest["variables"] == {}
    assert json.loads(members["error.json"])["ename"] == "KeyError"
    assert members["stdout.txt"] == b"before\n"


def test_refusals_of_our_worker(ours):
    assert asked(ours, "import time\ntime.sleep(9)", timeout_seconds=0.2).status_code == 504
    assert asked(ours, "1", {"x": ("x", "json/object", b" " * 3_100_000)}).status_code == 413
    assert asked(ours, "import os\nos._exit(1)").status_code == 500
    with httpx.Client(base_url=ours.url, trust_env=False) as client:
        assert client.post("/v1/execute", files={"metadata": b"{}"}).status_code == 401
    for wrong in (
        {"timeout_seconds": 0},
        {"timeout_seconds": "soon"},
        {"env": {"A=B": "c"}},
        {"env": {"A": "\0"}},
        {"mounts": [{"name": "m", "uri": "file:///etc"}]},
        {"mounts": [{"name": "m", "uri": "ftp://x/y"}]},
        {"language": "r"},
        {"source": 1},
        {"source": "\ud800"},
    ):
        answer = asked(ours, wrong.pop("source", "1"), **wrong)
        assert answer.status_code == 400
        assert answer.json()["detail"] == answer.json()["error"]
    for name, kind in (("../x", "json/object"), ("class", "json/object"), ("x", "text/x"), ("__name__", "json/object")):
        assert asked(ours, "1", {name: (name, kind, b"1")}).status_code == 400
    assert asked(ours, "x", {"x": ("x", "json/object", b"{")}).status_code == 400
    assert asked(ours, "x", {"x": ("x", "pickle/object", b"\x80\x05no")}).status_code == 400
    assert asked(ours, "x", {"x": ("other", "json/object", b"1")}).status_code == 400
    assert {p.name for p in (ours.folder / "work").iterdir()} == {"store", "guests"}


def test_executors_run_cells_of_one_wave_at_the_same_time(theirs, ours, tmp_path):
    second = WorkerProcess(tmp_path / "second", "--protocol", "v1", "--concurrency", "2")
    place = Meeting(lambda name, names: len(names) % 4 == 0)
    try:
        folder = tmp_path / "notebook"
        folder.mkdir()
        declare(folder, gpu=ours.url, other=theirs.url, second=second.url)
        cells = {"s": "x, xs = 1, [1]\ndef twice(v):\n    return 2 * v"} | {
            name: f"# @worker {where}\n" + place.cell(name, f"{name} = {name!r}, twice(x)\nprint({name})")
            for name, where in {"a": "gpu", "b": "other", "c": "second", "d": "second"}.items()
        }
        # What changes above one that was sent ahead is what it sees in the end.
        cells["e"] = "# @worker gpu\nxs.append(2)"
        cells["f"] = "# @worker second\nprint(xs)"
        cells["g"] = "print(a, b, c, d, xs)"
        front = Frontend(folder, folder / "store", MY_WORKER=TOKEN)
        try:
            front.document(**cells)
            front.tell(type="queued", cells=list(cells), force=False)
            asked = {cell: front.send(source, cell) for cell, source in cells.items()}
            got = {cell: front.finish(message) for cell, message in asked.items()}
            assert {c: r.content["evalue"] for c, r in got.items() if r.error} == {}
            assert sorted(place.names) == ["a", "b", "c", "d"]
            assert [got[c].text() for c in "abcd"] == [f"('{c}', 2)\n" for c in "abcd"]
            assert (got["f"].text(), got["g"].text()) == ("[1, 2]\n", "('a', 2) ('b', 2) ('c', 2) ('d', 2) [1, 2]\n")
            front.restart()
            assert {c: r.status for c, r in play(front, cells).items()} == dict.fromkeys(cells, "hit")
        finally:
            front.stop()
        path = write(folder, cells)
        done = subprocess.run(
            [sys.executable, "-m", "strata_kernel.cli", "run", str(path), "--force", "--format", "json"],
            env={**os.environ, "STRATA_CACHE_STORE": str(tmp_path / "fresh"), "MY_WORKER": TOKEN},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        summary = json.loads(done.stdout.splitlines()[-1])
        assert (summary["counts"]["ok"], sorted(place.names)) == (len(cells), sorted("abcdabcd"))
    finally:
        place.close()
        second.stop()
