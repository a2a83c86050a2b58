"""A request of the published protocol as it arrives: read with suspicion, and nothing of it kept that is not used."""

from __future__ import annotations

import json
import keyword
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tornado.httputil import HTTPFile, HTTPInputError, parse_body_arguments

from strata_kernel.domain.directive_grammar import MAX_TIMEOUT, MOUNT_SCHEMES, incomplete
from strata_kernel.domain.directive_values import Mount
from strata_kernel.domain.published import CELL, ENDINGS, JSON, MARKDOWN, PICKLE, PNG, TIMEOUT, VERSION
from strata_kernel.domain.terms import Terms

#: Formats of inputs; the others are of what is shown.
FORMATS = tuple(kind for kind in ENDINGS if kind not in (PNG, MARKDOWN))


class Malformed(ValueError):
    """The request is none of the protocol; its text says where."""


class Given:
    """One input as it came."""

    def __init__(self, name: str, kind: str, content: bytes, injected: list[Given] | None = None) -> None:
        self.name, self.kind, self.content, self.injected = name, kind, content, injected or []


class Request:
    """One cell that is asked for."""

    def __init__(self, content_type: str, body: bytes) -> None:
        self._parts = _parts(content_type, body)
        metadata = self._metadata()
        if metadata.get("protocol_version") != VERSION:
            raise Malformed(f"`protocol_version` must be {VERSION}, it is {_shown(metadata.get('protocol_version'))}")
        transform = _table(metadata.get("transform"), "transform")
        if transform.get("ref") != CELL:
            raise Malformed(f"`transform.ref` must be {CELL}, it is {_shown(transform.get('ref'))}")
        params = _table(transform.get("params"), "transform.params")
        source = params.get("source")
        if not isinstance(source, str):
            raise Malformed("`source` must be a text")
        self.source = source
        if params.get("language", "python") != "python":
            raise Malformed(f"cells in {_shown(params['language'])} do not run here")
        self.terms = Terms(
            timeout=_timeout(params.get("timeout_seconds", TIMEOUT)),
            env=tuple(sorted(_variables(params.get("env", {})))),
            mounts=tuple(_mounts(params.get("mounts", []))),
        )
        changes = params.get("mutation_defines", [])
        if not isinstance(changes, list) or not all(isinstance(each, str) for each in changes):
            raise Malformed("`mutation_defines` must be a list of names")
        self.changes = tuple(changes)
        self.inputs = [*self._inputs(metadata.get("inputs", [])), *_tables(params.get("tables", {}))]
        names = [each.name for each in self.inputs]
        if len(set(names)) < len(names):
            raise Malformed("two inputs have one name")

    def _metadata(self) -> dict[str, Any]:
        if "metadata" not in self._parts:
            raise Malformed("the part `metadata` is missing")
        try:
            found = json.loads(self._parts["metadata"])
            json.dumps(found, ensure_ascii=False).encode()  # half a character can be written nowhere
        except (ValueError, RecursionError) as error:
            raise Malformed(f"`metadata` is no JSON: {error}") from error
        return _table(found, "metadata")

    def _inputs(self, found: Any) -> Iterator[Given]:
        if not isinstance(found, list):
            raise Malformed("`inputs` must be a list")
        for each in found:
            record = _table(each, "inputs")
            name, kind = _name(record.get("name")), record.get("format", PICKLE)
            if kind not in FORMATS:
                raise Malformed(f"the input `{name}` has the format {_shown(kind)}; known are {', '.join(FORMATS)}")
            injected = []
            for inner, how in _table(record.get("injected", {}), "injected").items():
                spec = _table(how, "injected")
                within = spec.get("content_type", PICKLE)
                if within not in FORMATS:
                    raise Malformed(f"what `{name}` closes over has the format {_shown(within)}")
                injected.append(Given(_name(inner), within, self._content(inner, str(spec.get("file", "")))))
            yield Given(name, kind, self._content(name, name + ENDINGS[kind]), injected)

    def _content(self, *names: str) -> bytes:
        """Return a part by the name of its input or, as some clients have it, by that of its file."""
        for name in names:
            if name in self._parts and name != "metadata":
                return self._parts[name]
        raise Malformed(f"the part of the input `{names[0]}` is missing")


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    if not content_type.startswith("multipart/form-data"):
        raise Malformed("the request must be multipart/form-data")
    fields: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    try:
        parse_body_arguments(content_type, body, fields, files)
    except HTTPInputError as error:
        raise Malformed(str(error)) from error
    return {n: v[0] for n, v in fields.items()} | {n: v[0].body for n, v in files.items()}


def _table(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Malformed(f"`{where}` must be an object")
    return found


def _shown(found: Any) -> str:
    return repr(found)[:80]


def _name(found: Any) -> str:
    if not isinstance(found, str) or not found.isidentifier() or keyword.iskeyword(found) or found.startswith("__"):
        raise Malformed(f"an input's name is {_shown(found)}, which no variable can have")
    return found


def _timeout(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or found <= 0:
        raise Malformed("`timeout_seconds` must be a number above 0")
    return min(float(found), MAX_TIMEOUT)


def _variables(found: Any) -> Iterator[tuple[str, str]]:
    for name, value in _table(found, "env").items():
        if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
            raise Malformed(f"`env` has {_shown(name)}, which no environment can hold")
        yield name, value


def _mounts(found: Any) -> Iterator[Mount]:
    if not isinstance(found, list):
        raise Malformed("`mounts` must be a list")
    for each in found:
        record = _table(each, "mounts")
        name, uri, mode = _name(record.get("name")), record.get("uri"), record.get("mode", "ro")
        scheme = uri.partition("://")[0].lower() if isinstance(uri, str) else ""
        if scheme == "file":
            raise Malformed(f"the mount `{name}` is a folder of the client's machine, which this one does not have")
        if scheme not in MOUNT_SCHEMES or incomplete(str(uri)) is not None:
            raise Malformed(f"the mount `{name}` has the address {_shown(uri)}")
        if mode not in ("ro", "rw"):
            raise Malformed(f"the mount `{name}` has the mode {_shown(mode)}")
        options, pin = record.get("options") or {}, record.get("pin")
        told = json.dumps(_table(options, "options"), sort_keys=True) if options else ""
        yield Mount(name, str(uri), mode, None if pin is None else str(pin), told)


def _tables(found: Any) -> Iterator[Given]:
    """Yield what stands for tables: their address, and the snapshot that the client chose."""
    tables: Mapping[str, Any] = _table(found, "tables")
    for name, each in tables.items():
        record = _table(each, "tables")
        for suffix, value in (("", record.get("uri", "")), ("_snapshot", record.get("snapshot_id"))):
            yield Given(_name(name + suffix), JSON, json.dumps(value).encode())
