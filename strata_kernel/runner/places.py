"""What a folder's settings declare beside the store: workers, mounts, connections, and how they are changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from strata_kernel.cells.sql import MODULES, driver
from strata_kernel.errors import InvocationError, WorkerError
from strata_kernel.executors.report import Health
from strata_kernel.mounts.cache import Held
from strata_kernel.mounts.mounts import held
from strata_kernel.saving import is_reference, save, secrets_in, without_password
from strata_kernel.settings import FILE_NAME, NAME, RECORDS, Settings, WorkerSettings, load_settings, settings_file
from strata_kernel.wiring import connect, declared

#: What is told of a member that cannot be, by the path of what is wrong with it.
_SAID = {
    "name": "a name is made of letters, digits and _ . - (that of a mount is a Python name)",
    "uri": "an address looks like s3://bucket/prefix, gs://…, az://… or file:///folder",
    "backend": "a worker is reached by `http` or `dask`",
    "mode": "a mount is `ro` or `rw`",
}

__all__ = ["Health", "Held", "Places"]


class Named(msgspec.Struct, frozen=True):
    """What is said of every connection."""

    name: Annotated[str, msgspec.Meta(pattern=NAME)]


class Places:
    """The workers, mounts and connections that are declared for the notebooks of a folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder, self._environ = folder, environ
        self.settings: Settings
        self.settings, self.diagnostics = load_settings(folder, environ)

    @property
    def file(self) -> Path:
        """The settings file that holds here, or the one that a first change makes."""
        return settings_file(self.folder) or self.folder / FILE_NAME

    def written(self, table: str) -> dict[str, dict[str, Any]]:
        """Return the members of `workers`, `mounts` or `connections` in the file, by name; raise InvocationError."""
        raw = self._raw().get(table, [])
        if isinstance(raw, Mapping):
            return {name: {"name": name, **item} for name, item in raw.items() if isinstance(item, Mapping)}
        return {str(item["name"]): dict(item) for item in raw if isinstance(item, Mapping) and "name" in item}

    def _raw(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.file.read_text("utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InvocationError(f"{self.file} cannot be read: {error}") from error

    def held(self) -> dict[str, Held]:
        """Return what is kept here of each mount, by name."""
        return held(Path(self.settings.cache.store), declared(self.settings))

    async def health(self, name: str) -> Health:
        """Ask a declared worker how it is; whatever is wrong is part of the answer. Raises InvocationError."""
        worker = next((w for w in self.settings.workers if w.name == name), None)
        if worker is None:
            raise InvocationError(f"no worker {name!r} is declared")
        return await ask(worker, self._environ)

    def declare(self, table: str, item: Mapping[str, Any], former: str | None = None) -> None:
        """Write one member of `workers`, `mounts` or `connections` into the file, in the place of the former one.

        Raises InvocationError for one that no cell could use, or that would put a secret into the file.
        """
        wanted = self._checked(table, item)
        standing = self.written(table)
        name = str(item["name"])
        if name in standing and name != former:
            raise InvocationError(f"{name!r} is declared already")
        before = standing.pop(former, {}) if former is not None else {}
        self._save(table, [*standing.values(), _over(before, wanted)], gone=former if former != name else None)

    def _checked(self, table: str, item: Mapping[str, Any]) -> dict[str, Any]:
        try:
            record = msgspec.convert(item, {**RECORDS, "connections": Named}[table])
        except msgspec.ValidationError as error:
            text = next((said for path, said in _SAID.items() if f"`$.{path}`" in str(error)), str(error))
            raise InvocationError(text) from error
        # Of a connection every engine wants something else.
        plain = dict(item) if isinstance(record, Named) else msgspec.to_builtins(record)
        if (wrong := _unfit(plain) if isinstance(record, Named) else None) is not None:
            raise InvocationError(wrong)
        if named := next(secrets_in(_without_names(plain)), None):
            raise InvocationError(f"{named!r} would be written to {self.file.name}: name a variable that holds it")
        return {k: v for k, v in plain.items() if v is not None and v != {}}

    def withdraw(self, table: str, name: str) -> None:
        """Take one member out of the file; raise InvocationError for one that is not in it."""
        standing = self.written(table)
        if standing.pop(name, None) is None:
            raise InvocationError(f"{name!r} is not declared in {self.file}")
        self._save(table, list(standing.values()), gone=name)

    def _save(self, table: str, items: list[Mapping[str, Any]], gone: str | None) -> None:
        changes: Any = items
        if table == "connections" or isinstance(self._raw().get(table), Mapping):
            changes = {item["name"]: {k: v for k, v in item.items() if k != "name"} for item in items}
            changes |= {gone: None} if gone is not None else {}
        try:
            save(self.file, {table: changes})
        except (OSError, ValueError) as error:
            raise InvocationError(f"{self.file} cannot be written: {error}") from error


def _unfit(table: Mapping[str, Any]) -> str | None:
    """Return why no cell could use a connection, or what it would put into the file that must not be there."""
    engine, auth = driver(table), table.get("auth") or {}
    if engine not in MODULES:
        return f"there is no driver {table['driver']!r}: duckdb, sqlite or postgresql"
    if engine != "postgresql" and not (table.get("path") or table.get("uri")):
        return f"{engine} needs `path`: a file, which may start at the notebook's folder"
    if not isinstance(auth, Mapping):
        return '`auth` is a table, as in { user = "${SHOP_USER}", password = "${SHOP_PASSWORD}" }'
    for key, value in auth.items():
        if not is_reference(value):
            example = "${" + f"{table['name']}_{key}".upper().replace("-", "_").replace(".", "_") + "}"
            return f"{key} would stand in the file: write {example}, and set that variable where the kernel starts"
    if without_password(uri := str(table.get("uri", ""))) != uri:
        return "the address holds a password: leave it out, and write ${VARIABLE} as password"
    return None


def _over(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted table, with None for what stood before and is not wanted."""
    found: dict[str, Any] = dict.fromkeys(before)
    for key, value in wanted.items():
        former = before.get(key)
        found[key] = _over(former, value) if isinstance(value, Mapping) and isinstance(former, Mapping) else value
    return found


def _without_names(options: Any) -> Any:
    """Return options without those that only name a variable."""
    if not isinstance(options, Mapping):
        return {}
    return {k: _without_names(v) if isinstance(v, Mapping) else v for k, v in options.items() if not k.endswith("_env")}


async def ask(worker: WorkerSettings, environ: Mapping[str, str]) -> Health:
    """Return how a worker is, declared or not yet; errors are part of the answer."""
    if worker.backend == "local":
        return Health("ok", "this machine")
    try:
        executor: Any = connect(worker, environ, lambda report: None)
        try:
            found: Health = await executor.health()
            return found
        finally:
            await executor.close()
    except WorkerError as error:
        return Health(error.code, str(error))
