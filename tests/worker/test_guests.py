"""What a cell's process leaves behind is ended with it, and only then looked for."""

import asyncio
import subprocess
import sys

import psutil
import pytest

from strata_kernel.domain.cell import Cell
from strata_kernel.domain.dispatch import Dispatch
from strata_kernel.domain.terms import Terms
from strata_kernel.worker.guests import end_tree
from strata_kernel.worker.runs import Options, Worker

LEAVES = """
import os, subprocess
if not (pid := os.fork()):
    os.setsid()
    if os.fork():
        os._exit(0)
    sleeper = subprocess.Popen(["sleep", "4321.5"])
    open("pid", "w").write(str(sleeper.pid))
    os._exit(0)
os.waitpid(pid, 0)
while not (os.path.exists("pid") and open("pid").read()):
    pass
print(open("pid").read())
"""


async def _run(worker, number, source):
    """Run a cell to its end and return all that it told, once its process is gone."""
    cell = Cell(f"c{number}", source)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    dispatch = Dispatch(id=f"{number:032x}", cell=cell, terms=Terms(worker="w"), folder="/nowhere", python=python)
    lines = [line async for line in worker.run(dispatch)]
    assert b'"manifest":{' in lines[-1], lines
    while any(guest._over for guest in worker.guests._all.values()):
        await asyncio.sleep(0.01)
    return lines


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what has left its group is not found")
def test_what_a_cell_leaves_behind_is_ended_and_else_not_looked_for(tmp_path, monkeypatch):
    looked = []

    def look(pid, mark):
        looked.append(mark)
        end_tree(pid, mark)

    monkeypatch.setattr("strata_kernel.worker.guests.end_tree", look)

    async def play():
        worker = Worker(Options(work=tmp_path / "work"))
        await worker.guests.start()
        try:
            for number in range(3):
                await _run(worker, number, "x = 1")
            assert looked == []
            told = await _run(worker, 3, LEAVES)
            assert len(looked) == 1
            assert "4321.5" not in subprocess.check_output(["ps", "-eo", "args"], text=True), told
            # What is gone does not make the next ones look.
            while _children(worker.guests._process.pid) > worker.options.concurrency + 1:
                await asyncio.sleep(0.01)
            await _run(worker, 4, "x = 2")
            assert len(looked) == 1
        finally:
            await worker.drain(1)

    asyncio.run(play())


def _children(pid):
    return len(psutil.Process(pid).children())
