"""The acceptance judge, where it lies beside the repository: every case must hold, with values saved and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

JUDGE = Path(__file__).parents[2] / "shared" / "acceptance" / "judge.py"


@pytest.mark.skipif(not JUDGE.exists(), reason="the acceptance judge is not here")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("min_runtime_ms", ["0", "5"])
def test_every_case_holds(min_runtime_ms: str) -> None:
    command = [sys.executable, str(JUDGE), "--min-runtime-ms", min_runtime_ms]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    quality = [line for line in result.stdout.splitlines() if "quality:" in line]
    print(*quality, sep="\n")
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-4000:]
