"""What the tests of observation share: an observer of a folder, and code played under its eyes as a cell."""

import importlib.util
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.observed import Observed
from strata_kernel.kernel.observe.observer import Observer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about torch where it is not installed: it is large, and not to be had everywhere."""
    if importlib.util.find_spec("torch") is None:
        for item in items:
            if "import torch" in item.name:
                item.add_marker(pytest.mark.skip("torch is not here"))


@pytest.fixture
def observer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    monkeypatch.chdir(tmp_path)
    found = Observer(ignored=[str(tmp_path / "store")], roots=[str(tmp_path)])
    found.install()
    yield found
    active.recording = None


def watched(observer: Observer, namespace: dict[str, Any], source: str) -> Observed:
    """Run the source as a cell and return what was seen."""
    code = compile(textwrap.dedent(source), "<cell>", "exec")
    observer.start(namespace)
    try:
        exec(code, namespace)
    finally:
        seen = observer.stop()
    return seen
