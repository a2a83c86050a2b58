"""The law of workers: the same cells give the same names, outputs and errors here and there."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Frontend
from tests.worker.conftest import GPU, TOKEN, WorkerProcess, declare
from tests.worker.meeting import left

EXAMPLES = int(os.environ.get("STRATA_LAWS_AWAY", "6"))

LINES = [
    "a = {n}",
    "b = [a, {n}]",
    "b.append({n})",
    "c = b",
    "c[0] = {n}",
    "def f(v, k={n}):\n    return (v, k, a)",
    "d = f(a)",
    "class K:\n    def __init__(self, v):\n        self.v = v\n    def __repr__(self):\n        return f'K({{self.v}})'",
    "e = K(b)",
    "e.v = a",
    "del a",
    "import random\nrandom.seed({n})",
    "r = random.random()",
    "import os\nos.environ['LAW'] = '{n}'",
    "print(os.environ.get('LAW'))",
    "with open('f.txt', 'w') as file:\n    file.write('{n}')",
    "print(open('f.txt').read())",
    "import numpy as np\narr = np.arange({n} + 3)",
    "view = arr[1:]\nview[0] = {n}",
    "arr.sum()",
    "1 / (a - {n})",
    "import math\nprint(math.sqrt({n}))",
    "m = {{1: 'a', (1, 2): {n}}}",
    "g = lambda x: x + a",
    "print(g({n}))",
    "import decimal\ndecimal.getcontext().prec = {n} + 4",
    "decimal.Decimal(1) / 3",
    "print({n}, end='')",
    "{n}",
]
CELL = st.lists(
    st.builds(lambda line, n: line.format(n=n), st.sampled_from(LINES), st.integers(0, 3)), min_size=1, max_size=3
)
PROGRAMS = st.lists(st.tuples(CELL.map("\n".join), st.booleans()), min_size=2, max_size=6)
#: Most cells are away, and most read what a few above them made.
WAVES = st.lists(st.tuples(CELL.map("\n".join), st.sampled_from([True, True, True, False])), min_size=4, max_size=8)
SHOW = "print([(k, globals()[k]) for k in 'abcderm' if k in globals()], list(globals().get('arr', [])))"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A kernel that has the worker and one that runs it all itself, each with a store of its own."""
    folder = tmp_path_factory.mktemp("law")
    worker = WorkerProcess(folder / "worker", "--concurrency", "3")
    kernels = []
    for name in ("away", "here"):
        (folder / name).mkdir()
        declare(folder / name, gpu=worker.url)
        kernels.append(Frontend(folder / name, folder / (name + "-store"), MY_WORKER=TOKEN))
    yield kernels
    for each in kernels:
        each.stop()
    worker.stop()


def played(front, cells, *, announced=False):
    told = []
    (front.folder / "f.txt").unlink(missing_ok=True)
    front.document(**cells)
    if announced:
        front.tell(type="queued", cells=list(cells), force=False)
    for cell, source in cells.items():
        got = front.run(source, cell)
        told.append((got.error, left(got)))
    return told


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(PROGRAMS)
def test_here_and_there(pair, program):
    away, here = pair
    sources = {f"c{i}": source for i, (source, _) in enumerate(program)} | {"end": SHOW}
    marked = {f"c{i}": (GPU if far else "") + source for i, (source, far) in enumerate(program)} | {"end": SHOW}
    expected = played(here, sources)
    assert played(away, marked) == expected
    assert played(away, marked) == expected  # now from the store


@settings(max_examples=max(EXAMPLES // 2, 1), suppress_health_check=list(HealthCheck), deadline=None)
@given(WAVES)
def test_at_the_same_time_and_one_after_another(pair, program):
    away, here = pair
    sources = {f"c{i}": source for i, (source, _) in enumerate(program)} | {"end": SHOW}
    marked = {f"c{i}": (GPU if far else "") + source for i, (source, far) in enumerate(program)} | {"end": SHOW}
    expected = played(here, sources)
    assert played(away, marked, announced=True) == expected
    assert played(away, marked, announced=True) == expected  # now from the store
