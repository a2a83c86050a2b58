"""Register the kernel of this environment where Jupyter of any environment finds it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from strata_kernel.errors import InvocationError

SPEC = Path(__file__).parents[1] / "kernelspec"


def install(name: str = "strata", *, user: bool = False, prefix: str | None = None) -> Path:
    """Write the kernelspec with this interpreter in it and return its folder; raise InvocationError.

    Without `user` and `prefix` it goes to the prefix of this interpreter.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    spec = json.loads((SPEC / "kernel.json").read_text("utf-8"))
    spec["argv"][0] = sys.executable
    if name != "strata":
        spec["display_name"] = f"{spec['display_name']} – {name}"
    if not user and prefix is None:
        prefix = sys.prefix
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "strata"
        shutil.copytree(SPEC, staged, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        (staged / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n", "utf-8")
        try:
            place = KernelSpecManager().install_kernel_spec(str(staged), kernel_name=name, user=user, prefix=prefix)
        except (OSError, ValueError) as error:
            raise InvocationError(f"the kernel cannot be registered: {error}") from error
    return Path(place)
