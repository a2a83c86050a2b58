"""What the codec tests share: a notebook's definitions and a round trip through private copies of the buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strata_kernel.codecs.source import Definitions
from strata_kernel.codecs.units import Group, group, load

Trip = Callable[..., dict[str, Any]]


@pytest.fixture
def definitions() -> Definitions:
    return Definitions({"__name__": "__main__", "__builtins__": __builtins__})


def copied(buffers: list[memoryview]) -> list[memoryview]:
    """Return writable copies, as the store's mapping gives them."""
    return [memoryview(bytearray(view)) for view in buffers]


def restore(found: list[Group], definitions: Definitions) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for unit in found:
        assert unit.reason is None, unit.reason
        values.update(load(unit.names, unit.stream, copied(unit.buffers), definitions))
    return values


@pytest.fixture
def trip(definitions: Definitions) -> Trip:
    def go(**values: Any) -> dict[str, Any]:
        return restore(group(values, definitions), definitions)

    return go


@pytest.fixture
def units(definitions: Definitions) -> Callable[..., set[tuple[str, ...]]]:
    def go(**values: Any) -> set[tuple[str, ...]]:
        return {unit.names for unit in group(values, definitions)}

    return go


@pytest.fixture
def notebook(definitions: Definitions) -> Callable[[str], dict[str, Any]]:
    """Run source as a cell of the notebook, without registering anything."""

    def go(source: str) -> dict[str, Any]:
        exec(compile(source, definitions.locate("cell.py"), "exec"), definitions.namespace)
        return definitions.namespace

    return go
