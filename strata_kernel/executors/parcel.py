"""The published executor protocol as bytes: a request of several parts, and the archive that answers it."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from typing import IO, Any, NamedTuple

from strata_kernel.domain.published import BUNDLE, CELL, ENDINGS, PICKLE, VERSION

#: Bytes of one member of an archive, and of all that are read, above which it is refused.
MEMBER, WHOLE = 2 << 30, 8 << 30
#: How the last line of a traceback begins.
_ERROR = re.compile(r"([A-Za-z_][\w.]*)(?:: |$)")
_SHOWN = ("display_data", "execute_result")


class Parcel(NamedTuple):
    """One cell to run: `inputs` as (name, format, bytes), and the variable that is `wanted` back."""

    source: str
    inputs: list[tuple[str, str, bytes]]
    timeout: float | None
    env: dict[str, str]
    mounts: list[dict[str, Any]]
    wanted: str


class Answer(NamedTuple):
    """What came of it: `kept` is the variable that was wanted, or `why` it is not there.

    `displays` are iopub messages where an executor tells them, else `shown` is what it does, as (type, bytes, preview).
    """

    streams: dict[str, str]
    displays: list[dict[str, Any]]
    shown: list[tuple[str, bytes, Any]]
    kept: bytes | None
    why: str
    error: tuple[str, str, list[str]] | None
    seconds: float = 0.0


class BundleError(ValueError):
    """The archive is none of the protocol, or is not safe to read."""


def build(run: str) -> str:
    """Return what a run is called at an executor."""
    return f"notebook-{run[:12]}"


def request(parcel: Parcel, run: str, limit: float) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Return the parts of a request as (field, (file, bytes, type)); `limit` is the cell's in seconds."""
    code = hashlib.sha256(parcel.source.encode("utf-8", "surrogatepass")).hexdigest()
    metadata = {
        "protocol_version": VERSION,
        "build_id": build(run),
        "tenant": None,
        "principal": None,
        "provenance_hash": run,
        "transform": {
            "ref": CELL,
            "code_hash": code,
            "params": {
                "source": parcel.source,
                "timeout_seconds": limit,
                "mounts": parcel.mounts,
                "env": parcel.env,
            },
        },
        "inputs": [
            {"name": name, "format": kind, "uri": None, "byte_size": len(content)}
            for name, kind, content in parcel.inputs
        ],
    }
    parts = [("metadata", ("metadata.json", json.dumps(metadata).encode(), "application/json"))]
    for name, kind, content in parcel.inputs:
        parts.append((name, (name + ENDINGS[kind], content, "application/octet-stream")))
    return parts


def read(archive: IO[bytes], wanted: str) -> Answer:
    """Return what an archive tells; raise BundleError. Nothing of it is written anywhere, and no link is followed."""
    try:
        members = _members(archive, wanted)
        manifest = json.loads(members.get("manifest.json", b"null"))
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError) as error:
        raise BundleError(f"it is no archive that can be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != BUNDLE:
        raise BundleError(f"its manifest.json is not one of {BUNDLE}")
    variables = manifest.get("variables")
    variables = variables if isinstance(variables, dict) else {}
    kept, why = _kept(variables.get(wanted), members)
    failure = None
    if manifest.get("success") is not True:
        text = manifest.get("error") or "the executor does not say why"
        failure = _error(str(text), str(manifest.get("traceback") or ""), str(manifest.get("error_type") or ""))
    streams, displays = _streams(manifest, members), _displays(manifest, members)
    return Answer(streams, displays, _shown(manifest, variables, members), kept, why, failure)


def _error(text: str, traceback: str, kind: str) -> tuple[str, str, list[str]]:
    """Return an error as (name, text, traceback); most executors tell its name in the traceback alone."""
    lines = traceback.rstrip().split("\n") if traceback else []
    found = _ERROR.match(lines[-1]) if lines else None
    return kind or (found[1].rpartition(".")[2] if found else "Exception"), text, lines


def _members(archive: IO[bytes], wanted: str) -> dict[str, bytes]:
    """Return the members that are of use."""
    found: dict[str, bytes] = {}
    whole = 0
    with tarfile.open(fileobj=archive, mode="r|*") as tar:
        for member in tar:
            if member.name.startswith("/") or ".." in member.name.split("/"):
                raise BundleError(f"its member {member.name!r} lies outside of it")
            whole += member.size
            if member.size > MEMBER or whole > WHOLE:
                raise BundleError(f"its member {member.name!r} is too large")
            if not member.isreg() or not _of_use(member.name, wanted):
                continue
            content = tar.extractfile(member)
            if content is not None and member.name not in found:
                found[member.name] = content.read()
    return found


def _of_use(name: str, wanted: str) -> bool:
    folder, _, file = name.rpartition("/")
    if folder in ("files", "outputs"):
        return file.startswith((wanted, "__display__"))
    return folder in ("", "display")


def _kept(told: Any, members: dict[str, bytes]) -> tuple[bytes | None, str]:
    if not isinstance(told, dict):
        return None, "its bundle does not name it"
    if "error" in told:
        return None, str(told["error"])
    content = members.get(str(told.get("file")))
    if told.get("content_type") != PICKLE or content is None:
        return None, "its bundle does not hold it"
    return content, ""


def _streams(manifest: dict[str, Any], members: dict[str, bytes]) -> dict[str, str]:
    told: Any = {}
    if "console.json" in members:
        try:
            told = json.loads(members["console.json"])
        except ValueError:
            told = {}
    found = {}
    for name in ("stdout", "stderr"):
        text = members.get(str(manifest.get(f"{name}_file")), b"").decode("utf-8", "replace")
        found[name] = text or (str(told.get(name) or "") if isinstance(told, dict) else "")
    return found


def _displays(manifest: dict[str, Any], members: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return displays that are told as iopub messages, which is our own worker's way."""
    found = []
    listed = manifest.get("displays")
    for each in listed if isinstance(listed, list) else []:
        content = members.get(str(each.get("bundle"))) if isinstance(each, dict) else None
        if content is None:
            continue
        try:
            message = json.loads(content)
            data = message["content"]["data"]
        except (ValueError, TypeError, KeyError):
            continue
        if message.get("msg_type") in _SHOWN and isinstance(data, dict):
            found.append({"msg_type": message["msg_type"], "content": message["content"]})
    return found


def _shown(
    manifest: dict[str, Any], variables: dict[str, Any], members: dict[str, bytes]
) -> list[tuple[str, bytes, Any]]:
    """Return the displays that others tell; those that know of no list tell the last one, among the variables."""
    listed = manifest.get("displays")
    found = []
    for each in listed if isinstance(listed, list) and listed else [variables.get("_")]:
        if not isinstance(each, dict) or "error" in each:
            continue
        content = members.get(str(each.get("file")))
        if content is not None:
            found.append((str(each.get("content_type")), content, each.get("preview")))
    return found
