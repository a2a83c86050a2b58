"""What the settings declare: workers, mounts and connections; each function blocks and runs in a thread."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from strata_kernel.errors import InvocationError
from strata_kernel.runner.places import Health, Places
from strata_kernel.saving import is_reference, is_secret, without_password
from strata_labextension.answers import (
    Connection,
    ConnectionDeclaration,
    Declared,
    Mount,
    MountDeclaration,
    Worker,
    WorkerDeclaration,
)
from strata_labextension.refusal import Refusal

Table = Literal["workers", "mounts", "connections"]
Declaration = WorkerDeclaration | MountDeclaration | ConnectionDeclaration


def declared(folder: Path) -> Declared:
    """Return what is declared for the notebooks of a folder."""
    places = Places(folder, os.environ)
    settings, held = places.settings, places.held()
    problems = [d.message for d in places.diagnostics]
    written: dict[str, dict[str, Any]] = {"workers": {}, "mounts": {}, "connections": {}}
    try:
        written = {table: dict(places.written(table)) for table in written}
    except InvocationError as error:
        problems.append(str(error))
    return Declared(
        file=str(places.file),
        worker=settings.worker or "local",
        workers=[
            Worker(
                name=w.name,
                backend=w.backend,
                address=_address(w.backend, w.config),
                runtime_id=w.runtime_id,
                config=_blank(w.config),
                written=w.name in written["workers"],
            )
            for w in settings.workers
        ],
        mounts=[
            Mount(
                name=m.name,
                uri=m.uri,
                mode=m.mode,
                pin=m.pin,
                options=_blank(m.options),
                written=m.name in written["mounts"],
                files=held[m.name].files if m.name in held else 0,
                size=held[m.name].size if m.name in held else 0,
                fetched=held[m.name].fetched if m.name in held else None,
            )
            for m in settings.mounts
        ],
        connections=[
            _connection(name, table, written=name in written["connections"])
            for name, table in settings.connections.items()
        ],
        problems=problems,
    )


def change(folder: Path, root: Path | None, table: Table, body: Declaration) -> Declared:
    """Write a declaration into the settings file and return what is declared then."""
    places = _writable(folder, root)
    item = {k: v for k, v in msgspec.to_builtins(body).items() if k != "former" and v is not None}
    if isinstance(body, ConnectionDeclaration):
        item = {**item.pop("config"), **item}
    try:
        places.declare(table, item, body.former)
    except InvocationError as error:
        raise Refusal(400, "declaration_refused", str(error)) from error
    return declared(folder)


def remove(folder: Path, root: Path | None, table: Table, name: str) -> Declared:
    """Take a declaration out of the settings file and return what is declared then."""
    places = _writable(folder, root)
    try:
        places.withdraw(table, name)
    except InvocationError as error:
        raise Refusal(404, "declaration_unknown", str(error)) from error
    return declared(folder)


async def health(folder: Path, name: str) -> Health:
    """Ask a declared worker how it is."""
    try:
        return await Places(folder, os.environ).health(name)
    except InvocationError as error:
        raise Refusal(404, "declaration_unknown", str(error)) from error


def _writable(folder: Path, root: Path | None) -> Places:
    places = Places(folder, os.environ)
    if root is not None and not places.file.resolve().is_relative_to(root.resolve()):
        text = f"{places.file} lies outside of what this server shows: change it there"
        raise Refusal(403, "file_outside", text)
    return places


def _address(backend: str, config: Mapping[str, Any]) -> str:
    if backend == "local":
        return "this machine"
    return str(config.get("scheduler" if backend == "dask" else "url", ""))


def _connection(name: str, table: Mapping[str, Any], *, written: bool) -> Connection:
    config = _blank(table)
    if isinstance(uri := config.get("uri"), str):
        config["uri"] = without_password(uri)
    auth = config.get("auth")
    if isinstance(auth, Mapping):
        config["auth"] = {k: v if is_reference(v) else "" for k, v in auth.items()}
    host, port, database = (str(config.get(key, "")) for key in ("host", "port", "dbname"))
    server = "/".join(filter(None, (":".join(filter(None, (host, port))), database)))
    warehouse = [str(config.get(key, "")) for key in ("account", "database", "project", "dataset")]
    return Connection(
        name=name,
        driver=str(config.get("driver", "duckdb")),
        where=str(config.get("path") or config.get("uri") or server or "/".join(filter(None, warehouse))),
        config=config,
        written=written,
    )


def _blank(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without secrets that stand there as they are: they belong to nobody's page."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            found[key] = _blank(value)
        else:
            secret = is_secret(key) and not key.endswith("_env") and isinstance(value, str) and "${" not in value
            found[key] = "" if secret else value
    return found
