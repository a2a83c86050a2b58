"""What the tests of observation share: an observer of a folder, and code played under its eyes as a cell."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strata_kernel.kernel.observe import active
from strata_kernel.kernel.observe.observed import Observed
from strata_kernel.kernel.observe.observer import Observer


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
