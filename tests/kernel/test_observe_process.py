"""The state of the process as hidden units: seen when it changes, saved, set again in another process."""

from __future__ import annotations

import decimal
import json
import logging
import os
import random
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strata_kernel.kernel.observe.imports import ImportHooks
from strata_kernel.kernel.observe.process import PRISTINE, Pristine, ProcessState

Check = Callable[[str, str], None]

#: Runs cells in a process of its own and tells, of each, which units and effects it had.
DRIVER = """
import base64, json, sys
from strata_kernel.kernel.observe.observer import Observer, import_hooks
from strata_kernel.kernel.observe.process import ProcessState
Observer().install()
state = ProcessState()
state.install(import_hooks())
namespace = {"__name__": "__main__"}
told = []
for cell in json.loads(sys.stdin.read()):
    if isinstance(cell, dict):
        for unit, packed in cell.items():
            state.apply(unit, None if packed is None else base64.b64decode(packed))
        continue
    before = state.snapshot()
    try:
        exec(cell, namespace)
        failure = ""
    except Exception as error:
        failure = repr(error)
    after = state.snapshot()
    changes = {u: state.pack(s) for u, s in state.changes(before, after).items()}
    told.append({
        "changes": {u: None if p is None else base64.b64encode(p).decode() for u, p in changes.items()},
        "effects": [r.name for r in state.effects(before, after)], "failure": failure,
    })
print("\\n" + json.dumps(told))
"""


def play(*cells: Any) -> list[dict[str, Any]]:
    """Run cells, and set units where a dict stands between them, in a fresh process."""
    prepared = [textwrap.dedent(cell) if isinstance(cell, str) else cell for cell in cells]
    done = subprocess.run([sys.executable, "-c", DRIVER], input=json.dumps(prepared), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout.rpartition("\n{"[:1])[2] or done.stdout.splitlines()[-1])
    for one in told:
        assert not one["failure"], one["failure"]
    return told


@pytest.fixture
def state() -> Iterator[ProcessState]:
    hooks = ImportHooks(lambda origin: False)
    found = ProcessState()
    found.install(hooks)
    before = found.snapshot()
    yield found
    for unit in found.changes(before, found.snapshot()):
        packed = before.get(unit)
        found.apply(unit, None if packed is None else found.pack(packed))


@pytest.mark.parametrize(
    ("unit", "change", "check"),
    [
        ("proc:cwd", "import os; os.chdir('/')", "import os; assert os.getcwd() == '/'"),
        ("env:SOME_KEY", "import os; os.environ['SOME_KEY'] = 'ü'", "import os; assert os.environ['SOME_KEY'] == 'ü'"),
        ("env:HOME", "import os; del os.environ['HOME']", "import os; assert 'HOME' not in os.environ"),
        ("proc:sys.path", "import sys; sys.path.insert(0, '/x')", "import sys; assert sys.path[0] == '/x'"),
        ("proc:sys.argv", "import sys; sys.argv[:] = ['a', 'b']", "import sys; assert sys.argv == ['a', 'b']"),
        (
            "proc:interpreter",
            "import sys; sys.setrecursionlimit(4321)",
            "import sys; assert sys.getrecursionlimit() == 4321",
        ),
        (
            "proc:warnings",
            "import warnings; warnings.filterwarnings('ignore', message='x')",
            "import warnings; warnings.simplefilter; assert warnings.filters[0][0] == 'ignore'; warnings.warn('x')",
        ),
        (
            "proc:decimal",
            "import decimal; c = decimal.getcontext(); c.prec = 5; c.traps[decimal.Inexact] = True",
            "import decimal; c = decimal.getcontext(); assert c.prec == 5 and c.traps[decimal.Inexact]",
        ),
        (
            "proc:logging",
            "import logging; logging.getLogger('a.b').setLevel('INFO'); logging.getLogger().setLevel(10)",
            "import logging; assert logging.getLogger('a.b').level == 20 and logging.root.level == 10",
        ),
        (
            "proc:pandas",
            "import pandas as pd; pd.set_option('display.max_rows', 7); pd.options.display.float_format = '{:.1f}'.format",
            "import pandas as pd; assert pd.get_option('display.max_rows') == 7; assert '1.2\\n' in str(pd.Series([1.23]))",
        ),
        (
            "proc:numpy",
            "import numpy as np; np.set_printoptions(precision=2); np.seterr(all='raise')",
            "import numpy as np; assert np.get_printoptions()['precision'] == 2 and np.geterr()['over'] == 'raise'",
        ),
        (
            "proc:matplotlib",
            "import matplotlib as mpl; mpl.rcParams['lines.linewidth'] = 9; mpl.rcParams['font.family'] = ['serif']",
            "import matplotlib as mpl; assert mpl.rcParams['lines.linewidth'] == 9; assert mpl.rcParams['font.family'] == ['serif']",
        ),
        (
            "proc:matplotlib",
            "import matplotlib.pyplot as plt; plt.style.use('ggplot')",
            "import matplotlib.pyplot as plt; assert plt.rcParams['axes.facecolor'] == '#E5E5E5'; next(iter(plt.rcParams['axes.prop_cycle']))",
        ),
        (
            "proc:sklearn",
            "import sklearn; sklearn.set_config(transform_output='pandas')",
            "import sklearn; assert sklearn.get_config()['transform_output'] == 'pandas'",
        ),
        (
            "proc:polars",
            "import polars as pl; pl.Config.set_float_precision(3)",
            "import polars as pl; assert pl.Config.state()['set_float_precision'] == 3",
        ),
        (
            "proc:torch",
            "import torch; torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False); torch.set_printoptions(precision=2)",
            "import torch; assert torch.ones(1).dtype is torch.float64 and not torch.is_grad_enabled()",
        ),
    ],
)
def test_units_travel(unit: str, change: str, check: str) -> None:
    told = play(change, dict.fromkeys([unit]), "pass", change)
    assert unit in told[0]["changes"], told
    assert not told[0]["effects"]
    # In a fresh process, set before the library is imported; and taken back.
    again = play(told[0]["changes"], "pass", check)
    assert not again[0]["changes"]
    assert told[1]["changes"] == {}
    assert told[2]["changes"] == told[0]["changes"]


def test_merely_importing_is_no_change() -> None:
    pytest.importorskip("torch")
    told = play(
        "import pandas",
        "import matplotlib.pyplot as plt; plt.plot([1]); plt.close('all')",
        "import sklearn.linear_model, torch, polars, duckdb, pyarrow.parquet",
        "import altair, plotly.express, tqdm.auto, requests, joblib, sympy, networkx",
        "import numpy.random, logging, decimal, h5py, PIL.Image, scipy.stats",
    )
    assert [(t["changes"], t["effects"]) for t in told] == [({}, [])] * 5


@pytest.mark.parametrize(
    ("unit", "seed", "draw"),
    [
        ("rng:random", "import random; random.seed(1)", "x = random.random()"),
        ("rng:numpy", "import numpy as np; np.random.seed(1); np.random.randn()", "x = np.random.randn(3).tolist()"),
        ("rng:torch", "import torch; torch.manual_seed(1)", "x = torch.rand(3).tolist()"),
    ],
)
def test_generators_continue(unit: str, seed: str, draw: str) -> None:
    tell = "import os; os.environ['X'] = str(x)"
    told = play(seed, draw, draw, tell)
    assert set(told[0]["changes"]) == {unit}
    library = seed.partition(";")[0]
    for prelude in (({unit: told[1]["changes"][unit]}, library), (library, {unit: told[1]["changes"][unit]})):
        again = play(*prelude, draw, tell)
        assert again[-1]["changes"]["env:X"] == told[-1]["changes"]["env:X"]
        assert again[-2]["changes"] == told[2]["changes"]


def test_effects_that_cannot_be_set_again() -> None:
    told = play(
        "import logging; logging.basicConfig()",
        "import sys; sys.excepthook = lambda *a: None",
        "import builtins; builtins.shout = print",
        "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "import pandas as pd; pd.options.display.float_format = lambda x: 'x'",
        "import logging; logging.getLogger('quiet').addHandler(logging.NullHandler())",
    )
    assert [one["effects"] for one in told] == [
        ["log:root"],
        ["hook:excepthook"],
        ["builtin:shout"],
        ["signal:SIGUSR1"],
        ["proc:pandas"],
        [],
    ]
    assert "proc:pandas" not in told[4]["changes"]


def test_packed_states_are_the_same_everywhere() -> None:
    cell = """
    import os, pandas as pd, matplotlib as mpl, random
    random.seed(3)
    for key in {'B', 'A', 'C'}: os.environ[key] = key
    for option in {'display.max_rows', 'display.width'}: pd.set_option(option, 50)
    mpl.rcParams.update({'lines.linewidth': 3, 'axes.titlesize': 'small'})
    """
    assert play(cell) == play(cell)


def test_filters_keep_their_order_around_imports() -> None:
    pytest.importorskip("torch")
    told = play("import warnings; warnings.simplefilter('ignore')", "import sklearn, torch, pandas")
    assert told[1]["changes"] == {}
    again = play(
        told[0]["changes"],
        "import sklearn, torch, pandas, warnings; warnings.simplefilter('ignore')",
        "warnings.warn('x')",
    )
    assert again[1]["changes"] == {}


ASIDE = """
import sys, threading
from strata_kernel.kernel.observe.observer import Observer, import_hooks
from strata_kernel.kernel.observe.process import ProcessState
observer, state = Observer(), ProcessState()
observer.install()
state.install(import_hooks())
load = lambda: __import__("numpy")
before = state.snapshot()
if "running" in sys.argv:
    observer.start({})
if "aside" in sys.argv:
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
else:
    load()
print(sorted(u for u in state.changes(before, state.snapshot()) if u.startswith("proc:")))
"""


@pytest.mark.parametrize("how", ["", "aside", "running", "running aside"])
def test_an_import_beside_a_running_cell_excuses_nothing_that_the_cell_may_have_done(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", ASIDE, *how.split()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("['proc:warnings']" if how == "running aside" else "[]")


def test_a_change_and_its_reversal(state: ProcessState) -> None:
    start = state.snapshot()
    os.environ["SOME_KEY"] = "1"
    changed = state.snapshot()
    del os.environ["SOME_KEY"]
    assert state.changes(start, changed) == {"env:SOME_KEY": "1"}
    assert state.changes(changed, state.snapshot()) == {"env:SOME_KEY": PRISTINE}
    assert isinstance(PRISTINE, Pristine)
    assert state.pack(PRISTINE) is None
    assert state.digest(None) != state.digest(state.pack("1"))


def test_capture(state: ProcessState) -> None:
    assert state.capture("proc:cwd") is None
    decimal.getcontext().prec = 7
    packed = state.capture("proc:decimal")
    assert packed is not None
    state.apply("proc:decimal", None)
    assert decimal.getcontext().prec == 28
    state.apply("proc:decimal", packed)
    assert decimal.getcontext().prec == 7


def test_generators_are_only_reported_when_they_moved(state: ProcessState) -> None:
    before = state.snapshot()
    assert "rng:random" in before
    assert state.changes(before, state.snapshot()) == {}
    random.random()
    after = state.snapshot()
    assert set(state.changes(before, after)) == {"rng:random"}
    packed = state.pack(before["rng:random"])
    state.apply("rng:random", packed)
    assert state.changes(before, state.snapshot()) == {}


def test_what_is_restored_inside_a_cell_is_no_change(state: ProcessState, tmp_path: Path) -> None:
    before = state.snapshot()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
    here = os.getcwd()
    os.chdir(tmp_path)
    os.chdir(here)
    logging.getLogger("passing").setLevel(10)
    logging.getLogger("passing").setLevel(0)
    after = state.snapshot()
    assert state.changes(before, after) == {}
    assert state.effects(before, after) == []


def test_cost(state: ProcessState) -> None:
    best = 9.0
    for _ in range(20):
        start = time.perf_counter()
        state.snapshot()
        best = min(best, time.perf_counter() - start)
    # The limit leaves room for a busy machine.
    assert best < 0.01
