"""A request of the published protocol as it arrives: read with suspicion, and nothing of it kept that is not used."""

from __future__ import annotations

import json
import keyword
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tornado.httputil import HTTPFile, HTTPInputError, parse_body_arguments

from strata_kernel.domain.directive_grammar import MAX_TIMEOUT, MOUNT_SCHEMES, incomplete
from strata_kernel.domain.directive_values import Mount
from strata_kernel.domain.published import CELL, ENDINGS, ENVELOPE, MARKDOWN, PICKLE, PNG, TIMEOUT, VERSION
from strata_kernel.domain.terms import Terms

#: Formats of inputs; the others are of what is shown.
FORMATS = tuple(kind for kind in ENDINGS if kind not in (PNG, MARKDOWN))


class Malformed(ValueError):
    """The request is none of the protocol; its text says where."""


class Spec(NamedTuple):
    """An input as a request describes it: its name, how it is written, and by what its content is found."""

    name: str
    kind: str
    file: str = ""
    uri: str = ""
    injected: tuple[Spec, ...] = ()


class Request:
    """One cell that is asked for; `tables` are inputs whose content stands in the request itself."""

    def __init__(self, build: Any, params: dict[str, Any], inputs: Iterable[Spec]) -> None:
        #: What its client calls it; may be empty.
        self.build = build if isinstance(build, str) else ""
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
        self.inputs, self.tables = tuple(inputs), dict(_tables(params.get("tables", {})))
        names = [*(each.name for each in self.inputs), *self.tables]
        if len(set(names)) < len(names):
            raise Malformed("two inputs have one name")


class Pushed(Request):
    """One whose inputs come with it, in either of the two envelopes of the protocol."""

    def __init__(self, content_type: str, body: bytes) -> None:
        self._parts = _parts(content_type, body)
        metadata = self._metadata()
        build, spoken = metadata.get("build_id"), metadata.get("protocol_version")
        if spoken == ENVELOPE:
            super().__init__(build, metadata, _described(metadata.get("inputs", {})))
        elif spoken == VERSION:
            transform = _table(metadata.get("transform"), "transform")
            _only_cells(transform.get("ref"), "transform.ref")
            params = _table(transform.get("params"), "transform.params")
            super().__init__(build, params, _listed(metadata.get("inputs", [])))
        else:
            raise Malformed(f"`protocol_version` must be {VERSION}, it is {_shown(spoken)}")
        self._present(self.inputs)

    def content(self, spec: Spec) -> bytes:
        """Return a part by the name of its input or, as some clients have it, by that of its file."""
        for name in (spec.name, spec.file, spec.name + ENDINGS[spec.kind]):
            if name in self._parts and name != "metadata":
                return self._parts[name]
        raise Malformed(f"the part of the input `{spec.name}` is missing")

    def forget(self) -> None:
        """Let go of what came."""
        self._parts.clear()

    def _present(self, inputs: Iterable[Spec]) -> None:
        for each in inputs:
            self.content(each)
            self._present(each.injected)

    def _metadata(self) -> dict[str, Any]:
        if "metadata" not in self._parts:
            raise Malformed("the part `metadata` is missing")
        return _object(self._parts["metadata"], "metadata")


class Output(NamedTuple):
    """Where an answer is sent, and how: as a form where there are `fields`, else as it is; `most` bytes of it."""

    url: str
    method: str
    fields: dict[str, str]
    headers: dict[str, str]
    most: int | None


class Pulled(Request):
    """One whose inputs are fetched, and whose answer is sent, by addresses that it names."""

    def __init__(self, body: bytes) -> None:
        manifest = _object(body, "the manifest")
        metadata = _table(manifest.get("metadata"), "metadata")
        _only_cells(metadata.get("executor_ref"), "metadata.executor_ref")
        params = _table(metadata.get("params"), "metadata.params")
        build = manifest.get("build_id") or metadata.get("build_id")
        super().__init__(build, params, _described(params.get("input_specs", {})))
        self._urls = dict(_addresses(manifest.get("inputs", [])))
        self.output = _output(manifest.get("output"))
        self.finalize = _address(manifest.get("finalize_url"), "finalize_url")
        self.log = _address(manifest["log_url"], "log_url") if manifest.get("log_url") else ""
        self._present(self.inputs)

    def url(self, spec: Spec) -> str:
        """Return where the content of an input is."""
        if spec.uri not in self._urls:
            raise Malformed(f"the manifest has no address for the input `{spec.name}` ({_shown(spec.uri)})")
        return self._urls[spec.uri]

    def urls(self) -> dict[str, str]:
        """Return every address that it names, by where it stands."""
        found = {f"inputs[{uri}]": url for uri, url in self._urls.items()}
        found |= {"output.url": self.output.url, "finalize_url": self.finalize}
        return found | ({"log_url": self.log} if self.log else {})

    def _present(self, inputs: Iterable[Spec]) -> None:
        for each in inputs:
            self.url(each)
            self._present(each.injected)


def _only_cells(ref: Any, where: str) -> None:
    if ref != CELL:
        raise Malformed(f"`{where}` must be {CELL}, it is {_shown(ref)}")


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
        json.dumps(found, ensure_ascii=False).encode()  # half a character can be written nowhere
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what} is no JSON: {error}") from error
    return _table(found, what)


def _listed(found: Any) -> Iterator[Spec]:
    if not isinstance(found, list):
        raise Malformed("`inputs` must be a list")
    for each in found:
        record = _table(each, "inputs")
        yield _spec(record.get("name"), record, "format")


def _described(found: Any) -> Iterator[Spec]:
    for name, each in _table(found, "inputs").items():
        yield _spec(name, _table(each, "inputs"), "content_type")


def _spec(found: Any, record: dict[str, Any], form: str) -> Spec:
    name, kind = _name(found), record.get(form, PICKLE)
    if kind not in FORMATS:
        raise Malformed(f"the input `{name}` has the format {_shown(kind)}; known are {', '.join(FORMATS)}")
    within = _table(record.get("injected") or {}, "injected")
    injected = tuple(_spec(inner, _table(how, "injected"), "content_type") for inner, how in within.items())
    return Spec(name, kind, str(record.get("file") or ""), str(record.get("uri") or ""), injected)


def _addresses(found: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(found, list):
        raise Malformed("`inputs` must be a list")
    for each in found:
        record = _table(each, "inputs")
        name, version = record.get("artifact_id"), record.get("version")
        if not isinstance(name, str) or not name or type(version) is not int:
            raise Malformed("an input needs `artifact_id` and `version`")
        uri = f"strata://artifact/{name}@v={version}"
        yield uri, _address(record.get("url"), f"inputs[{uri}]")


def _address(found: Any, where: str) -> str:
    if not isinstance(found, str) or not found.isascii() or not found.startswith(("http://", "https://")):
        raise Malformed(f"`{where}` must be an address that begins with http:// or https://")
    return found


def _output(found: Any) -> Output:
    record = _table(found, "output")
    method, most = record.get("method", "POST"), record.get("max_bytes")
    if method not in ("POST", "PUT"):
        raise Malformed(f"`output.method` must be POST or PUT, it is {_shown(method)}")
    if most is not None and (type(most) is not int or most < 0):
        raise Malformed("`output.max_bytes` must be a number of bytes")
    fields, headers = (_texts(record.get(name) or {}, f"output.{name}") for name in ("fields", "headers"))
    return Output(_address(record.get("url"), "output.url"), method, fields, headers, most)


def _texts(found: Any, where: str) -> dict[str, str]:
    texts = {str(name): str(value) for name, value in _table(found, where).items()}
    if any("\r" in text or "\n" in text for pair in texts.items() for text in pair):
        raise Malformed(f"`{where}` has a line break")
    return texts


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


def _tables(found: Any) -> Iterator[tuple[str, bytes]]:
    """Yield what stands for tables: their address, and the snapshot that the client chose."""
    tables: Mapping[str, Any] = _table(found, "tables")
    for name, each in tables.items():
        record = _table(each, "tables")
        for suffix, value in (("", record.get("uri", "")), ("_snapshot", record.get("snapshot_id"))):
            yield _name(name + suffix), json.dumps(value).encode()
