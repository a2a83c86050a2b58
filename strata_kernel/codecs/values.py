"""Live values to stored ones and back: the engine's `Values` port over the codecs."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from strata_kernel.codecs import changing, units
from strata_kernel.codecs.content import definition_content, unit_content
from strata_kernel.codecs.immutable import is_immutable
from strata_kernel.codecs.source import Definitions
from strata_kernel.domain.manifest import Artifact
from strata_kernel.errors import CodecError
from strata_kernel.ports import Blobs, Group


class LiveValues:
    """The values of one namespace."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.definitions = Definitions(namespace)
        #: Brings a definition back by (name, lineage) when a value refers to one that is not live.
        self.restore: Callable[[str, str], object | None] = lambda name, lineage: None
        self.definitions.loader = lambda name, lineage: self.restore(name, lineage)
        #: What cells have put into the process, by what a person calls the place.
        self.held: Callable[[], dict[str, Any]] = dict

    def group(self, values: dict[str, Any], held: Mapping[str, Any] | None = None) -> list[Group]:
        """Partition the values into units and encode each."""
        found: list[Group] = list(units.group(values, self.definitions, lambda: {**self.held(), **(held or {})}))
        return found

    def immutable(self, value: Any) -> bool:
        """Tell cheaply whether nothing reachable from the value can be changed."""
        return is_immutable(value)

    def load(self, artifact: Artifact, names: tuple[str, ...], blobs: Blobs) -> dict[str, Any]:
        """Decode a saved unit; raise CodecError or StoreError."""
        if artifact.codec == "import":
            return _imported(msgspec.json.decode(artifact.inline or b""))
        if artifact.codec != "pickle":
            raise CodecError(f"unknown codec {artifact.codec!r}")
        stream = artifact.inline if artifact.stream is None else blobs.get(artifact.stream)
        buffers = [blobs.get(b) for b in artifact.buffers]
        found: dict[str, Any] = units.load(names, stream or b"", buffers, self.definitions)
        return found

    def can_change(self, value: Any) -> bool:
        """Tell whether calling a function or class may change it."""
        return changing.can_change(value)

    def sign(self, value: Any) -> changing.Sign:
        """Return what tells a definition from what it may be later."""
        return changing.sign(value, self.definitions)

    def stands(self, value: Any, before: changing.Sign) -> bool:
        """Tell whether a definition still is as its sign says."""
        return changing.stands(value, before, self.definitions)

    def register(self, value: Any, name: str, lineage: str) -> bool:
        """Make a function or class of the notebook known, so that others refer to it; False when it is neither."""
        if not isinstance(value, type | types.FunctionType):
            return False
        self.definitions.register(value, name, lineage)
        return True

    def lineage(self, value: Any) -> str | None:
        """Return the lineage of a definition that is known, None for other values."""
        known = self.definitions.reference(value)
        return known[1] if known else None

    def live(self, name: str, lineage: str) -> object | None:
        """Return the object that stands for a definition, None when there is none."""
        return self.definitions.live(name, lineage)

    def alter(self, name: str, lineage: str) -> None:
        """Note that the object which stands for the definition no longer is as it was made."""
        content, _ = definition_content(self.definitions.live(name, lineage), self.definitions)
        self.definitions.alter(name, lineage, content)

    def retire(self, name: str, lineage: str) -> None:
        """Let no object stand for the definition any more."""
        self.definitions.retire(name, lineage)

    def define(self, source: str, name: str, line: int) -> Any:
        """Execute a definition in the live namespace and return what it makes, leaving the name as it was."""
        try:
            return self.definitions.execute(source, name, f"<definition of {name}>", line)
        except Exception as error:  # the user's own statement
            raise CodecError(f"the definition of `{name}` does not run again: {error}") from error

    def intact(self, group: Group) -> bool:
        """Tell whether the live memory of the group still is what was digested."""
        return unit_content(group.stream, group.buffers) == group.content


def _imported(record: dict[str, Any]) -> dict[str, Any]:
    try:
        module = importlib.import_module(record["module"])
        attribute = record["attribute"]
        if attribute is None:
            return {record["name"]: module}
        value = getattr(module, attribute, None)
        if value is None:
            value = importlib.import_module(f"{record['module']}.{attribute}")
        return {record["name"]: value}
    except (ImportError, AttributeError) as error:
        raise CodecError(f"cannot import {record['module']}: {error}") from error
