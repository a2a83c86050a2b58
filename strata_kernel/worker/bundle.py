"""The answer of the published protocol: one archive of what a cell left, showed and said."""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strata_kernel.domain.published import BUNDLE, ENDINGS, JSON, MARKDOWN, PNG, Shown, Variable
from strata_kernel.store import LocalStore

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
#: By what clients see most of it, how a display is written, and how the name of its file ends.
_FORMS = ((PNG, ".png"), ("image/svg+xml", ".svg"), (MARKDOWN, ".md"), ("text/html", ".html"), ("text/plain", ".txt"))


def pack(path: Path, shown: Shown, store: LocalStore, mode: str) -> None:
    """Write the archive of an errand that ended, by a mode of `tarfile`: `w`, or `w:gz` for one that is compressed."""
    with tarfile.open(path, mode, **({"compresslevel": 1} if mode == "w:gz" else {})) as archive:  # type: ignore[call-overload]
        manifest, members = _manifest(shown)
        _add(archive, "manifest.json", json.dumps(manifest, indent=2).encode())
        for name, content in members.items():
            _add(archive, name, content)
        for each in shown.variables:
            if each.content is not None:
                _add(archive, _file(each), store.get(each.content))
        for each in shown.variables:
            if each.content is not None and each.name != "_":
                # The other place where clients look; the content is there once.
                link = tarfile.TarInfo(_file(each).replace("files/", "outputs/", 1))
                link.type, link.linkname = tarfile.LNKTYPE, _file(each)
                archive.addfile(link)


def _add(archive: tarfile.TarFile, name: str, content: bytes | memoryview) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _file(variable: Variable) -> str:
    stem = "__display__0" if variable.name == "_" else variable.name
    return f"files/{stem}{ENDINGS[variable.format]}"


def _manifest(shown: Shown) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the members that come of outputs and the error."""
    displays = [o for o in shown.outputs if o["msg_type"] in ("display_data", "execute_result")]
    variables = {v.name: _told(v) for v in shown.variables}
    members = {}
    streams = {name: _stream(shown, name) for name in ("stdout", "stderr")}
    for name, text in streams.items():
        members[f"{name}.txt"] = text.encode("utf-8", "replace")
    members["console.json"] = json.dumps(streams).encode()
    listed = []
    for place, output in enumerate(displays):
        kind, ending, content = _picture(output["content"]["data"])
        members[f"display/{place}{ending}"] = content
        members[f"display/{place}.json"] = json.dumps(output, default=str).encode()
        listed.append({
            "content_type": kind, "file": f"display/{place}{ending}", "bundle": f"display/{place}.json",
            "bytes": len(content),
        })  # fmt: skip
        if place == len(displays) - 1 and (kind in (PNG, MARKDOWN) or "_" not in variables):
            variables["_"] = _last(kind, content, members)
    manifest = {
        "schema_version": BUNDLE,
        "success": shown.error is None,
        "variables": variables,
        "displays": listed,
        "stdout_file": "stdout.txt",
        "stderr_file": "stderr.txt",
        "mutation_warnings": [],
        "error": None,
        "traceback": None,
    }
    if shown.error is not None:
        name, text, lines = shown.error
        traceback = _ANSI.sub("", "\n".join(lines))
        manifest |= {"error": text or name, "error_type": name, "traceback": traceback}
        record = {"ename": name, "evalue": text, "traceback": [_ANSI.sub("", line) for line in lines]}
        members["error.json"] = json.dumps(record).encode()
    return manifest, members


def _told(variable: Variable) -> dict[str, Any]:
    if variable.content is None:
        return {"error": variable.error, **variable.about}
    return {
        "content_type": variable.format, "file": _file(variable), "bytes": variable.content.size, "preview": None,
        **variable.about,
    }  # fmt: skip


def _stream(shown: Shown, name: str) -> str:
    found = (o["content"] for o in shown.outputs if o["msg_type"] == "stream")
    return "".join(content["text"] for content in found if content["name"] == name)


def _picture(data: dict[str, Any]) -> tuple[str, str, bytes]:
    """Return what of a display clients see: its type, how its file ends, and its bytes."""
    for kind, ending in _FORMS:
        if isinstance(text := data.get(kind), str):
            return kind, ending, base64.b64decode(text) if kind == PNG else text.encode("utf-8", "replace")
    return "text/plain", ".txt", b""


def _last(kind: str, content: bytes, members: dict[str, bytes]) -> dict[str, Any]:
    """Return what stands for the last display among the variables, where clients look for it."""
    told: dict[str, Any] = {}
    if kind == MARKDOWN:
        told["markdown_text"] = content.decode("utf-8", "replace")
    elif kind != PNG:
        kind, content = JSON, json.dumps(content.decode("utf-8", "replace")).encode()
    file = f"files/__display__0{ENDINGS[kind]}"
    members[file] = content
    return {"content_type": kind, "file": file, "bytes": len(content), "preview": told.get("markdown_text"), **told}


def pieces(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield the content of a file, which may be taken away once the first piece is there."""
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece
