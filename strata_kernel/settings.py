"""The settings: one typed record, documented by its fields, and one loader that never raises on what users wrote."""

from __future__ import annotations

import keyword
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from strata_kernel.domain.checks import unknown_worker
from strata_kernel.domain.diagnostic import Diagnostic, nearest
from strata_kernel.domain.directive_grammar import MOUNT_SCHEMES, incomplete
from strata_kernel.saving import is_secret, secrets_in

FILE_NAME = "strata.toml"
DIRECTORY_FILE_NAME = "notebook.toml"

Bytes = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


def default_store() -> str:
    """Return the store's place in the user's cache folder."""
    import platformdirs

    return platformdirs.user_cache_dir("strata", appauthor=False)


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[cache]`."""

    store: Annotated[
        str,
        Meta(
            description="Folder of the store; relative paths start at the file that says so.",
            extra={"default": "`strata` in the user's cache folder"},
        ),
    ] = msgspec.field(default_factory=default_store)
    remote: Annotated[str | None, Meta(description="Second store that is shared: a folder or a URL.")] = None
    max_bytes: Annotated[Bytes, Meta(description="Size above which the least recently used results are collected.")] = (
        20_000_000_000
    )
    cascade: Annotated[
        Literal["auto", "ask", "off"],
        Meta(description="Run stale cells that a cell needs: `auto` (asks before long ones), `ask` (always) or `off`."),
    ] = "auto"
    ask_above_seconds: Annotated[
        float, Meta(ge=0, description="With `auto`, ask when earlier durations add up to more than this.")
    ] = 30.0
    min_runtime_ms: Annotated[
        float,
        Meta(ge=0, description="Shorter cells that read no files have values above 2 kB recomputed instead of saved."),
    ] = 5.0
    file_limit_bytes: Annotated[
        Bytes, Meta(description="Files written by a cell are restored from the store up to this size.")
    ] = 64 * 2**20
    mounts_max_bytes: Annotated[
        Bytes, Meta(description="Size above which the least recently used files fetched from mounts go.")
    ] = 20_000_000_000
    max_artifact_bytes: Annotated[
        Bytes, Meta(description="Values above this size are recomputed when needed instead of saved.")
    ] = 10_000_000_000


class AiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[ai]`; keys of providers come from the environment, never from a file."""

    model: Annotated[str | None, Meta(description="Model of prompt cells that name none.")] = None
    base_url: Annotated[str | None, Meta(description="Address of an OpenAI-compatible server.")] = None
    timeout_seconds: Annotated[Seconds, Meta(description="Limit for one model call.")] = 60.0
    max_tokens: Annotated[int, Meta(ge=1, description="Longest answer, in tokens, of cells that name no limit.")] = 4096
    price_in: Annotated[
        float, Meta(ge=0, description="Price of a million tokens sent, in the currency of your choice.")
    ] = 0.0
    price_out: Annotated[float, Meta(ge=0, description="Price of a million tokens answered.")] = 0.0
    max_cost: Annotated[float | None, Meta(description="Sum after which a kernel calls no model any more.")] = None


class SqlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[sql]`."""

    frame: Annotated[
        Literal["pandas", "polars", "arrow"], Meta(description="Library of the frames that sql cells bind.")
    ] = "pandas"


Table = dict[str, Any]
#: What workers and connections may be called.
NAME = r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z"


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One table of `[[workers]]`; `config` is the backend's: url, token_env, transport, scheduler, resources …"""

    name: Annotated[str, Meta(pattern=NAME)]
    backend: Literal["local", "http", "dask", "executor"] = "http"
    runtime_id: str | None = None
    config: Table = {}


class MountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One table of `[[mounts]]`; `pin` stands for the content, which is then not looked at, `options` are fsspec's."""

    name: Annotated[str, Meta(pattern=r"\A[^\W\d]\w*\Z")]
    uri: Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9]*://")]
    mode: Literal["ro", "rw"] = "ro"
    pin: str | None = None
    options: Table = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings as they hold for one notebook."""

    worker: Annotated[str | None, Meta(description="Worker of cells that name none.")] = None
    timeout: Annotated[Seconds | None, Meta(description="Limit in seconds for cells that name none.")] = None
    env: Annotated[dict[str, str], Meta(description="Environment variables of the notebook's cells.")] = {}
    cache: CacheSettings = msgspec.field(default_factory=CacheSettings)
    ai: AiSettings = msgspec.field(default_factory=AiSettings)
    sql: SqlSettings = msgspec.field(default_factory=SqlSettings)
    workers: Annotated[tuple[WorkerSettings, ...], Meta(description="Declared workers.")] = ()
    mounts: Annotated[tuple[MountSettings, ...], Meta(description="Declared mounts.")] = ()
    connections: Annotated[dict[str, Table], Meta(description="Declared database connections.")] = {}
    variants: Annotated[dict[str, str], Meta(description="The active variants by group, before `variant_group`.")] = {}
    variant_group: Annotated[tuple[Table, ...], Meta(description="The active variant of each group.")] = ()

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that kernels get beside the environment, which has the secrets that are blank here."""
        return {k: v for k, v in self.env.items() if v or not (is_secret(k) and k in environ)}


TABLES: dict[str, type[msgspec.Struct]] = {"cache": CacheSettings, "ai": AiSettings, "sql": SqlSettings}
_PATHS = (("cache", "store"), ("cache", "remote"))
RECORDS: dict[str, type[msgspec.Struct]] = {"workers": WorkerSettings, "mounts": MountSettings}


class _Source(msgspec.Struct, frozen=True):
    """One place that settings come from: `base` anchors relative paths, `text` means that every value is a string."""

    origin: str
    tables: Mapping[str, Any]
    base: Path
    text: bool = False
    shared: bool = False


def load_settings(
    start: Path | None,
    environ: Mapping[str, str],
    metadata: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    user_config: Path | None = None,
) -> tuple[Settings, list[Diagnostic]]:
    """Return the settings for a notebook in (or at) `start`, and what was wrong with them.

    Later sources win: defaults, user config, strata.toml, environment, `strata` in the notebook's metadata, flags.
    """
    found: list[Diagnostic] = []
    values: dict[str, Any] = {}
    for source in _sources(start, environ, metadata, flags, user_config, found):
        _apply(source, values, found)
    for table, record in TABLES.items():
        if table in values:
            values[table] = record(**values[table])
    settings = Settings(**values)
    return settings, [*found, *_findings(settings)]


def _findings(settings: Settings) -> Iterator[Diagnostic]:
    """Yield what is wrong with the settings taken together."""
    known = {"local", *(worker.name for worker in settings.workers)}
    if settings.worker is not None and settings.worker not in known:
        text, guess = unknown_worker(settings.worker, known)
        yield Diagnostic("worker_unknown", text, suggestion=guess)
    for worker in settings.workers:
        if worker.config.get("token"):
            text = f"the token of worker {worker.name!r} stands in a file: name a variable with `token_env` instead"
            yield Diagnostic("secret_literal", text, suggestion="token_env")
    for mount in settings.mounts:
        if named := next(secrets_in(mount.options), None):
            text = f"the option {named!r} of mount {mount.name!r} holds a secret: write '${{VARIABLE}}' and set it"
            yield Diagnostic("secret_literal", text, "error", suggestion="${" + named.upper() + "}")
        if mount.uri.partition("://")[0].lower() not in MOUNT_SCHEMES:
            known_schemes = ", ".join(f"{scheme}://" for scheme in MOUNT_SCHEMES)
            text = f"mount {mount.name!r}: {mount.uri!r} cannot be mounted; known are {known_schemes}"
            yield Diagnostic("mount_uri_unsupported", text, suggestion=nearest(mount.uri.split(":")[0], MOUNT_SCHEMES))
        elif (lacking := incomplete(mount.uri)) is not None:
            yield Diagnostic("mount_uri_unsupported", f"mount {mount.name!r}: {lacking}")
        elif keyword.iskeyword(mount.name):
            yield Diagnostic(
                "mount_name_invalid", f"{mount.name!r} is no Python name", "error", suggestion=mount.name + "_"
            )


def _sources(
    start: Path | None,
    environ: Mapping[str, str],
    metadata: Mapping[str, Any] | None,
    flags: Mapping[str, Any] | None,
    user_config: Path | None,
    found: list[Diagnostic],
) -> Iterator[_Source]:
    here = Path.cwd()
    folder = here if start is None else start.absolute() if start.is_dir() else start.absolute().parent
    for path in files(None if start is None else folder, user_config):
        if path.is_file():
            tables = _read(path, found)
            yield _Source(str(path), tables, path.absolute().parent, shared=path.name == DIRECTORY_FILE_NAME)
    yield _Source("the environment", _from_environment(environ), here, text=True)
    if metadata is not None:
        yield _Source("the notebook's metadata", metadata, folder)
    if flags is not None:
        yield _Source("the command line", flags, here)


def files(folder: Path | None, user_config: Path | None = None) -> list[Path]:
    """Return the files that settings for a folder come from, the last one winning; some may not be there."""
    found = [user_config if user_config is not None else _user_config()]
    if folder is not None:
        found += [p for p in (settings_file(folder),) if p is not None]
        found.append(folder / DIRECTORY_FILE_NAME)
    return found


def settings_file(folder: Path) -> Path | None:
    """Return the strata.toml that holds in a folder: the nearest one, there or above; None where there is none."""
    return next((p for d in (folder, *folder.parents) if (p := d / FILE_NAME).is_file()), None)


def unreadable(found: Iterable[Diagnostic]) -> str | None:
    """Return what is wrong with a settings file that could not be read, None when all could be."""
    return next((d.message for d in found if d.code == "settings_unreadable"), None)


def _user_config() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("strata", appauthor=False)) / "config.toml"


def _read(path: Path, found: list[Diagnostic]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        found.append(Diagnostic("settings_unreadable", f"{path} is not used: {error}", "error"))
        return {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Gather STRATA_<TABLE>_<KEY> (and STRATA_WORKER, STRATA_TIMEOUT), but for empty ones and for keys of providers."""
    tables: dict[str, Any] = {}
    for name in sorted(environ):
        prefix, _, rest = name.partition("_")
        if prefix != "STRATA" or not environ[name]:
            continue
        table, _, key = rest.partition("_")
        if key and table.lower() in TABLES and not is_secret(key):
            tables.setdefault(table.lower(), {})[key.lower()] = environ[name]
        elif key and table == "ENV":
            tables.setdefault("env", {})[key] = environ[name]
        elif rest in ("WORKER", "TIMEOUT"):
            tables[rest.lower()] = environ[name]
    return tables


def _apply(source: _Source, values: dict[str, Any], found: list[Diagnostic]) -> None:
    """Lay one source over the values; report what cannot be used and leave the former value in place."""
    types = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    for key, value in source.tables.items():
        if key not in types:
            # A Strata directory's file holds much else; only a near miss of ours there would be a guess.
            if not source.shared:
                found.append(_unknown(source, str(key), str(key), types))
        elif key in TABLES:
            if isinstance(value, Mapping):
                _apply_table(source, key, value, values.setdefault(key, {}), found)
            else:
                found.append(_malformed(source, key, "a table is expected"))
        elif key in RECORDS and isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values()):
            # `[mounts.raw]` says the same as `[[mounts]]` with `name = "raw"`.
            named = [{"name": name, **table} for name, table in value.items()]
            values[key] = _merged(key, values.get(key, ()), tuple(_records(source, key, named, found)))
        elif key in RECORDS and isinstance(value, list | tuple):
            values[key] = _merged(key, values.get(key, ()), tuple(_records(source, key, value, found)))
        elif (converted := _converted(source, key, value, types[key], found)) is not _BAD:
            values[key] = _merged(key, values.get(key), converted)


def _records(source: _Source, key: str, items: Iterable[Any], found: list[Diagnostic]) -> Iterator[Any]:
    """Yield the tables that can be used; one that cannot leaves the others alone."""
    record = RECORDS[key]
    known = {f.name: f.type for f in msgspec.structs.fields(record)}
    for place, item in enumerate(items, 1):
        path = f"{key}[{place}]"
        if isinstance(item, Mapping):
            found += [_unknown(source, f"{path}.{k}", str(k), known, path) for k in item if k not in known]
        converted = _converted(source, path, item, record, found)
        if converted is not _BAD:
            yield converted


def _apply_table(
    source: _Source, table: str, given: Mapping[str, Any], values: dict[str, Any], found: list[Diagnostic]
) -> None:
    types = {f.name: f.type for f in msgspec.structs.fields(TABLES[table])}
    for key, value in given.items():
        if key not in types:
            found.append(_unknown(source, f"{table}.{key}", str(key), types, table))
            continue
        converted = _converted(source, f"{table}.{key}", value, types[key], found)
        if converted is not _BAD:
            values[key] = _anchored(converted, source.base) if (table, key) in _PATHS else converted


_BAD: Any = object()


def _converted(source: _Source, key: str, value: Any, kind: Any, found: list[Diagnostic]) -> Any:
    try:
        if isinstance(value, float) and value.is_integer():
            try:
                return msgspec.convert(int(value), kind)  # TOML reads 20e9 as a float
            except msgspec.ValidationError:
                pass
        return msgspec.convert(value, kind, strict=not source.text)
    except (msgspec.ValidationError, RecursionError) as error:
        found.append(_malformed(source, key, str(error)))
        return _BAD


def _anchored(path: str | None, base: Path) -> str | None:
    if not path or "://" in path:
        return path
    try:
        return str(base / Path(path).expanduser())
    except RuntimeError:  # a home that cannot be told
        return str(base / path)


def _merged(key: str, old: Any, new: Any) -> Any:
    """Merge tables key by key and lists of tables by their names; anything else is replaced."""
    if old is None:
        return new
    if isinstance(new, dict):
        return {**old, **new}
    if key in RECORDS:
        fresh = {record.name for record in new}
        return (*(record for record in old if record.name not in fresh), *new)
    if key == "variant_group":
        fresh = {table.get("group") for table in new}
        return (*(table for table in old if table.get("group") not in fresh), *new)
    return new


def _unknown(source: _Source, path: str, key: str, known: Mapping[str, Any], table: str = "") -> Diagnostic:
    guess = nearest(key, known)
    shown = f"STRATA_{path.replace('.', '_').upper()}" if source.text else path
    if guess is not None:
        guess = f"{table}.{guess}" if table else guess
        guess = f"STRATA_{guess.replace('.', '_').upper()}" if source.text else guess
    hint = f"; did you mean {guess}?" if guess else ""
    return Diagnostic("setting_unknown", f"{source.origin}: unknown setting {shown}{hint}", suggestion=guess)


def _malformed(source: _Source, path: str, why: str) -> Diagnostic:
    return Diagnostic("setting_malformed", f"{source.origin}: {path} is not used: {why}", "error")


def reference() -> str:
    """Return the table of all settings in Markdown, made from the records above."""
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    tables: list[tuple[str, type[msgspec.Struct]]] = [("", Settings), *TABLES.items()]
    for table, record in tables:
        for field in msgspec.structs.fields(record):
            if not table and field.name in TABLES:
                continue
            path = f"{table}.{field.name}" if table else field.name
            variable = path.replace(".", "_").upper() if table or field.name in ("worker", "timeout") else ""
            shown = f"`STRATA_{variable}`" if variable else "`STRATA_ENV_<NAME>`" if field.name == "env" else ""
            default, meaning = _described(field)
            rows.append(f"| `{path}` | {shown} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _described(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    meanings = [m for m in getattr(field.type, "__metadata__", ()) if isinstance(m, Meta)]
    extra: dict[str, Any] = next((m.extra for m in meanings if m.extra), {})
    value = None if field.default is msgspec.NODEFAULT else field.default
    text = "" if value in (None, (), {}) else f"`{value}`"
    return extra.get("default", text), next(m.description for m in meanings if m.description)
