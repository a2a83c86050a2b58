"""Cells on a real Dask cluster of several processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest

from strata_kernel import transfer
from strata_kernel.domain.cell import Cell
from strata_kernel.domain.dispatch import Dispatch
from strata_kernel.domain.terms import Terms
from strata_kernel.errors import WorkerError
from strata_kernel.executors.dask import Cluster, DaskExecutor
from strata_kernel.store import LocalStore
from tests.worker.meeting import Meeting
from tests.worker.test_worker import CELLS, TEXTS, play, seen

CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, resources={"GPU": 1}) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("distributed")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    )
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture
def far(frontend, cluster, tmp_path):
    """A kernel with a worker called gpu, which is the cluster."""

    def make(config=None):
        config = config or f'{{ scheduler = "{cluster}", resources = {{ GPU = 1 }} }}'
        (tmp_path / "strata.toml").write_text(f'[[workers]]\nname = "gpu"\nbackend = "dask"\nconfig = {config}\n')
        return frontend()

    return make


GPU = "# @worker gpu\n"
SHOWN = ("stream", "display_data")


def test_a_notebook_here_and_on_a_cluster(far):
    front = far()
    cells = {cell: CELLS[cell] for cell in ("a", "b", "c", "f", "g", "h", "i")}
    got = play(front, cells)
    assert {c: r.content["evalue"] for c, r in got.items() if r.error} == {}
    texts = {cell: text for cell, text in TEXTS.items() if cell in cells}
    assert {cell: got[cell].text("stdout") or got[cell].text() for cell in texts} == texts | {"b": "on the worker\n"}
    assert got["b"].decision["worker"] == "gpu"
    assert got["i"].text().startswith("hello ")
    front.restart()
    again = play(front, cells)
    assert {c: (r.status, r.text()) for c, r in again.items()} == {c: ("hit", r.text()) for c, r in got.items()}


def test_large_inputs_are_scattered_once(far, cluster):
    from distributed import Client

    front = far()
    cells = {
        "a": "import numpy\nbig = numpy.arange(4_000_000)",
        "b": GPU + "one = int(big.sum())",
        "c": GPU + "two = int(big[1:].sum())",
    }
    got = play(front, cells)
    assert {c: r.error for c, r in got.items() if r.error} == {}
    with Client(cluster, set_as_default=False) as client:
        held = [key for key in client.who_has() if str(key).startswith("strata-")]
        sizes = [n for key, n in client.run_on_scheduler(_sizes).items() if key in held]
    assert sum(size > 30_000_000 for size in sizes) == 1


def _sizes(dask_scheduler):
    return {key: task.nbytes for key, task in dask_scheduler.tasks.items()}


HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SIZE = 20_000_000
MAKES = f"import random\nmade = random.Random(1).randbytes({SIZE})\nsmall = [1]\nprint('a')\n"


def sent(cluster, store, source, *, python=HERE, prepare=lambda gpu: None):
    """Run a cell on the cluster; return how it ended and all that was shown."""
    shown = []

    async def play():
        gpu = DaskExecutor("gpu", Cluster(cluster))
        try:
            assert await gpu.differences(()) == ()
            prepare(gpu)
            dispatch = Dispatch(
                id=os.urandom(16).hex(), cell=Cell("a", source), terms=Terms(worker="gpu"), folder="/no", python=python
            )
            return await gpu.execute(dispatch, lambda kind, content: shown.append((kind, content)), store)
        finally:
            await gpu.close()

    return asyncio.run(play()), shown


def texts(shown):
    return [c["text"] if kind == "stream" else len(c["data"]["text/plain"]) for kind, c in shown if kind in SHOWN]


def test_what_a_cell_made_comes_back_by_pieces_and_is_told(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "SHOWN", 0)
    monkeypatch.setattr(transfer, "PAUSE", 0)
    store = LocalStore(tmp_path / "store")
    # What is large to show does not go through the scheduler either, and keeps its place.
    large = "from IPython.display import display\ndisplay({'text/plain': 'x' * 300_000}, raw=True)\nprint('b')"
    away, shown = sent(cluster, store, MAKES + large)
    blobs = [unit.artifact.stream for unit in away.manifest.units if unit.artifact and unit.artifact.stream]
    assert [(blob.size > SIZE, store.has(blob)) for blob in blobs] == [(True, True)]
    assert texts(shown) == ["a\n", 300_000, "b\n"]
    told = [c["done"] for kind, c in shown if kind == "progress" and c.get("label") == "receiving"]
    assert (len(told) > 1, told[-1], told == sorted(told)) == (True, blobs[0].size, True)
    assert ("progress", {}) in shown


def test_what_was_lost_before_it_came_back_is_made_again(cluster, tmp_path):
    store, lost = LocalStore(tmp_path / "store"), []

    def prepare(gpu):
        fetched = gpu._fetched

        async def late(blob, worker, transfer):
            if not lost:
                lost.append(worker)
                with contextlib.suppress(Exception):
                    await (await gpu._connected()).run(_end, workers=[worker])
            return await fetched(blob, worker, transfer)

        gpu._fetched = late

    away, shown = sent(cluster, store, MAKES, prepare=prepare)
    assert [store.has(u.artifact.stream) for u in away.manifest.units if u.artifact and u.artifact.stream] == [True]
    first, told, second = texts(shown)
    assert (first, f"the worker {lost[0]} was lost" in told, second) == ("a\n", True, "a\n")


def _end():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_came_late_with_another_python_is_refused(cluster, tmp_path):
    def prepare(gpu):
        gpu._known = [type(report)("3.1", report.distributions) for report in gpu._known]

    with pytest.raises(WorkerError, match=f"runs Python {HERE}, this kernel 3.1"):
        sent(cluster, LocalStore(tmp_path / "store"), "x = 1", python="3.1", prepare=prepare)


def test_an_interrupt_reaches_the_cell(far):
    front = far()
    sleeping = GPU + "import time\nprint('begun')\ntime.sleep(60)"
    message = front.send(sleeping, "a")
    seen(front, "begun")
    front.manager.interrupt_kernel()
    assert front.finish(message).error == "KeyboardInterrupt"
    assert front.run(GPU + "print('well')", "b").text() == "well\n"


def test_a_lost_worker_is_survived(far, tmp_path):
    front = far()
    flag = tmp_path / "flag"
    cells = {
        "a": "xs = [1, 2]",
        # The process that runs the cell was forked from one that the worker started.
        "b": GPU
        + f"import os, psutil\nif not os.path.exists({str(flag)!r}):\n    open({str(flag)!r}, 'w').close()\n"
        + "    print('first')\n    import time\n"
        + "    psutil.Process().parent().parent().kill()\n    time.sleep(60)\nprint('second', xs)",
    }
    got = play(front, cells)["b"]
    assert got.error is None, got.content
    assert ("was lost; the cell runs again" in got.text("stderr"), "second [1, 2]" in got.text()) == (True, True)


def test_cells_run_at_the_same_time(far):
    front, place = far(), Meeting(lambda name, names: len(names) >= 2)
    cells = {"x": "x = 1", **{name: GPU + place.cell(name, f"{name} = {name!r} * x") for name in "ab"}}
    cells["end"] = "print(a, b)"
    front.document(**cells)
    front.tell(type="queued", cells=list(cells), force=False)
    got = [front.run(source, cell) for cell, source in cells.items()]
    assert [r.content.get("evalue") for r in got if r.error] == []
    assert got[-1].text() == "a b\n"
    assert sorted(place.names) == ["a", "b"]
    place.close()


def test_what_is_wrong_with_a_cluster_is_told(far, cluster):
    front = far('{ scheduler = "tcp://127.0.0.1:9" }')
    got = front.run(GPU + "x = 1", "a")
    assert (got.error, "cannot be reached" in got.content["evalue"]) == ("WorkerError", True)
    (front.folder / "strata.toml").write_text(
        f'[[workers]]\nname = "gpu"\nbackend = "dask"\nconfig = {{ scheduler = "{cluster}", resources = {{ TPU = 2 }} }}\n'
        '[[workers]]\nname = "none"\nbackend = "dask"\n'
    )
    front.restart()
    got = front.run(GPU + "x = 1", "a")
    assert "no worker of gpu offers TPU=2" in got.content["evalue"]
    assert "dask worker --resources 'TPU=2'" in got.content["evalue"]
    assert "scheduler" in front.run("# @worker none\nx = 1", "b").content["evalue"]


def test_a_cluster_of_this_machine(far):
    front = far('{ scheduler = "local", workers = 1 }')
    assert front.run(GPU + "print(6 * 7)", "a").text() == "42\n"
