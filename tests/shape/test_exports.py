"""The public surface is frozen, and importing it costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import strata_kernel

ROOT = Path(__file__).parents[2]
HEAVY = (
    "IPython",
    "ipykernel",
    "jupyter_client",
    "nbclient",
    "nbformat",
    "numpy",
    "pandas",
    "pyarrow",
    "sqlglot",
    "tqdm",
    "zmq",
)


def loaded_by(code: str) -> list[str]:
    check = f"{code}\nimport sys, json; print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(result.stderr.splitlines()[-1])
    return loaded


def test_surface() -> None:
    assert strata_kernel.__all__ == ["KernelPool", "RunReport", "Runner", "__version__"]
    assert all(hasattr(strata_kernel, name) for name in strata_kernel.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        strata_kernel.nothing


@pytest.mark.parametrize(
    "code",
    [
        "import strata_kernel",
        "from strata_kernel import Runner, RunReport",
        "from strata_kernel.cli.__main__ import main; main(['--help'])",
        "from strata_kernel.cli.__main__ import main; main(['run', '--help'])",
        "from strata_kernel.cli.__main__ import main; main(['cache', '--help'])",
        "import strata_kernel.settings, strata_kernel.protocol, strata_kernel.domain.directives",
        "import strata_kernel.wiring, strata_kernel.cells.proofread",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert loaded_by(code) == []


def test_one_version() -> None:
    """package.json names the version; the built lab extension and the installed distribution repeat it."""
    version = json.loads((ROOT / "package.json").read_text())["version"]
    built = ROOT / "strata_labextension" / "labextension" / "package.json"
    if built.exists():
        assert json.loads(built.read_text())["version"] == version
    assert strata_kernel.__version__ == version
