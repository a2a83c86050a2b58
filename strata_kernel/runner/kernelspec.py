"""Which interpreter a kernel name stands for, read without starting anything."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def same_interpreter(name: str) -> bool:
    """Tell whether the kernel would run in this very environment, so that this process may look up its results."""
    for folder in _folders():
        try:
            spec = json.loads((folder / name / "kernel.json").read_bytes())
            argv = spec["argv"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return bool(argv) and "strata_kernel.kernel" in argv and _is_this(str(argv[0]))
    return name == "strata"


def _is_this(program: str) -> bool:
    # A bare `python` becomes the interpreter of whoever starts the kernel: this one.
    if program in ("python", "python3", f"python3.{sys.version_info.minor}"):
        return True
    return os.path.abspath(program) == os.path.abspath(sys.executable)


def _folders() -> list[Path]:
    # The order in which Jupyter looks for kernels, without importing jupyter_core.
    found = [Path(p) / "kernels" for p in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if p]
    if directory := os.environ.get("JUPYTER_DATA_DIR"):
        found.append(Path(directory) / "kernels")
    else:
        found.append(Path.home() / ".local" / "share" / "jupyter" / "kernels")
    return [Path(sys.prefix) / "share" / "jupyter" / "kernels", *found]
