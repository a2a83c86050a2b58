"""The acceptance judge, where it lies beside the repository: every case must hold, with values saved and without."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

JUDGE = Path(__file__).parents[2] / "shared" / "acceptance" / "judge.py"
NAMES = [case["name"] for case in runpy.run_path(str(JUDGE.with_name("cases.py")))["CASES"]] if JUDGE.exists() else []


@pytest.mark.skipif(not JUDGE.exists(), reason="the acceptance judge is not here")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("min_runtime_ms", ["0", "5"])
def test_case_holds(min_runtime_ms: str, name: str, tmp_path: Path) -> None:
    status, text = played(min_runtime_ms, name, tmp_path / "told")
    if "RuntimeError: Kernel d" in text:
        # It did not come up: the judge chooses ports that another process can take before the kernel does.
        status, text = played(min_runtime_ms, name, tmp_path / "again")
    print(*(line for line in text.splitlines() if "quality:" in line), sep="\n")
    assert status == 0, text[-12000:]


def played(min_runtime_ms: str, name: str, told: Path) -> tuple[int, str]:
    """Return the judge's exit status, -1 when it hangs, and all it said."""
    command = [sys.executable, str(JUDGE), "--min-runtime-ms", min_runtime_ms, name]
    # To a file, not a pipe: a kernel that is left behind would hold the pipe open.
    with told.open("w") as out:
        judge = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            status = judge.wait(timeout=140)
        except subprocess.TimeoutExpired:
            judge.kill()
            judge.wait()
            status = -1
    return status, told.read_text(errors="replace")
