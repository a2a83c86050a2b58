"""What the wheel puts into an environment: a kernelspec, a lab extension and a server extension that load."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.hosted.lab import lab

PREFIX = Path(sys.prefix)
LAB_EXTENSION = PREFIX / "share" / "jupyter" / "labextensions" / "strata-labextension"


def test_kernelspec() -> None:
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("strata")
    assert spec.display_name == "Strata (Python 3)"
    assert spec.language == "python"
    assert spec.env == {"PYTHONHASHSEED": "0"}
    assert spec.argv[1:] == ["-m", "strata_kernel.kernel", "-f", "{connection_file}"]
    assert {p.name for p in Path(spec.resource_dir).iterdir()} >= {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}


def loaded_by_lab(folder: Path) -> str:
    load: str = json.loads((folder / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    return load


def test_lab_extension() -> None:
    if not (folder := LAB_EXTENSION).exists():
        pytest.skip("not installed in this environment")
    assert (folder / loaded_by_lab(folder)).is_file()
    assert list((folder / "schemas" / "strata-labextension").glob("*.json"))
    if not folder.is_symlink():  # as it is while the extension is being developed
        assert json.loads((folder / "install.json").read_text())["packageName"] == "strata-jupyter"


@pytest.mark.timeout(180)
def test_lab_serves_the_extension(tmp_path: Path) -> None:
    home = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    log = tmp_path / "log"
    # The Python that runs this test comes first.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with lab(tmp_path, {**os.environ, **home, "PATH": path}, log) as address:
        page = urllib.request.urlopen(address + "lab", timeout=60).read().decode()
        assert '"strata-labextension"' in page
        entry = address + "lab/extensions/strata-labextension/" + loaded_by_lab(LAB_EXTENSION)
        assert b"strata-labextension" in urllib.request.urlopen(entry, timeout=60).read()
        assert "strata_labextension | extension was successfully loaded" in log.read_text()


def test_server_extension() -> None:
    module: Any = import_module("strata_labextension")
    assert module._jupyter_server_extension_points() == [{"module": "strata_labextension"}]
    assert module._jupyter_labextension_paths()[0]["dest"] == "strata-labextension"
