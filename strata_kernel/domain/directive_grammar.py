"""The grammar of each directive's value: records, and parsers that report instead of raising."""

from __future__ import annotations

import ast
import json
import keyword
import math
import re
from collections.abc import Callable
from typing import Any

from strata_kernel.domain.diagnostic import Diagnostic, Severity, nearest
from strata_kernel.domain.directive_values import CachePolicy, Declared, Item, Loop, Mount, Policy, Sql, TableInput

MOUNT_SCHEMES = ("file", "s3", "gs", "gcs", "az", "azure")
MAX_TIMEOUT = 86400.0
MAX_PASSES = 100_000

_TOKEN = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


class Draft:
    """The record while it is being put together."""

    def __init__(self, magic: str | None, items: tuple[Item, ...]) -> None:
        self.fields: dict[str, Any] = {}
        self.diagnostics: list[Diagnostic] = []
        self.seen: set[str] = set()
        self.loop: dict[str, str] = {}
        self.loop_item: Item | None = None
        kind = (magic or "%%").split()[0][2:].lower()
        self.is_sql = kind == "sql" or any(item.name == "sql" for item in items)
        self.binds_name = self.is_sql or kind == "prompt"

    def report(
        self, item: Item, code: str, message: str, suggestion: str | None = None, severity: Severity = "warning"
    ) -> None:
        self.diagnostics.append(
            Diagnostic(code, message, severity, item.line, item.column, item.end, suggestion=suggestion)
        )

    def malformed(self, item: Item, message: str, suggestion: str | None = None) -> None:
        self.report(item, "directive_malformed", message, suggestion)

    def add(self, field: str, *values: Any) -> None:
        old = self.fields.get(field, ())
        self.fields[field] = (*old, *(v for v in dict.fromkeys(values) if v not in old))

    def finish(self) -> None:
        """Settle what spans several lines."""
        item = self.loop_item
        if item is None:
            return
        if "loop" not in self.seen:
            self.malformed(item, "@loop_until needs `# @loop max_iter=N carry=name`")
            return
        limit, given = _integer(self.loop.get("max_iter", "")), self.loop.get("carry", "")
        carry = tuple(dict.fromkeys(given.split(",")))
        counts, names = limit is not None and 1 <= limit <= MAX_PASSES, all(map(_is_name, carry))
        if not counts:
            text, most = f"@loop needs max_iter=N, up to {MAX_PASSES}", MAX_PASSES if limit else 10
            fix = f"@loop max_iter={most} carry={given or 'name'}"
            self.report(item, "loop_max_iter_invalid", text, fix, severity="error")
        if not names:
            text = "@loop needs carry=name, a variable of the cell (several: carry=a,b)"
            fix = f"@loop max_iter={limit if counts else 10} carry=name"
            self.report(item, "loop_missing_carry", text, fix, severity="error")
        start = self._start(item)
        if limit is not None and counts and names:
            self.fields["loop"] = Loop(limit, carry, start)

    def _start(self, item: Item) -> tuple[str, int] | None:
        if "start_from" not in self.loop:
            return None
        cell, _, number = self.loop["start_from"].partition("@iter=")
        step = _integer(number)
        if not cell or step is None or step < 0:
            self.malformed(item, "start_from is written cell@iter=k", "start_from=CELL@iter=0")
            return None
        return cell, step


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _tokens(text: str) -> list[str]:
    """Split at blanks; quotes keep blanks together and fall away."""
    return [re.sub(r""""([^"]*)"|'([^']*)'""", lambda m: m[1] or m[2] or "", t) for t in _TOKEN.findall(text)]


def duration(text: str) -> float | None:
    """Return the seconds of `45s`, `30m`, `1h`, `2d`, `1w` or a plain number; None when it is none of these."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    return seconds or None


def _text(draft: Draft, item: Item) -> None:
    if item.value:
        draft.fields[item.name] = item.value
    else:
        draft.malformed(item, f"@{item.name} needs a value")


def _name(draft: Draft, item: Item) -> None:
    if draft.binds_name and item.value and not _is_name(item.value):
        draft.malformed(item, f"{item.value!r} cannot name the result: it is no Python name")
    else:
        _text(draft, item)


def _worker(draft: Draft, item: Item) -> None:
    if _WORKER.fullmatch(item.value):
        draft.fields["worker"] = item.value
    else:
        draft.malformed(item, "@worker needs one name of letters, digits, dots and dashes")


def _timeout(draft: Draft, item: Item) -> None:
    seconds = _number(item.value)
    if seconds is None:
        fix = duration(item.value.replace(" ", "")) or 300.0
        draft.report(item, "timeout_not_numeric", f"@timeout needs seconds, not {item.value!r}", f"@timeout {fix:g}")
    elif not 0 < seconds <= MAX_TIMEOUT:
        text = f"@timeout must be above 0 and at most {MAX_TIMEOUT:.0f} seconds"
        draft.report(item, "timeout_out_of_range", text, f"@timeout {MAX_TIMEOUT if seconds > 0 else 300:.0f}")
    else:
        draft.fields["timeout"] = seconds


def _env(draft: Draft, item: Item) -> None:
    key, equals, value = item.value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) or "\0" in value:
        words = re.findall(r"[^\s=:\0]+", item.value)
        name = re.sub(r"\W|^(?=\d)", "_", words[0], flags=re.ASCII) if words else "KEY"
        fix = f"@env {name}={' '.join(words[1:]) or 'value'}"
        draft.report(item, "env_malformed", "@env is written KEY=value", fix)
    else:
        draft.fields["env"] = {**draft.fields.get("env", {}), key: value}


def _mount(draft: Draft, item: Item) -> None:
    name, uri, mode, *more = [*item.value.split(), "", "", ""]
    if not name or not uri or any(more):
        draft.malformed(item, "@mount is written name uri [ro|rw]", "@mount data s3://bucket/folder ro")
    elif not _is_name(name):
        valid = re.sub(r"\W|^(?=\d)", "_", name) + ("_" if keyword.iskeyword(name) else "")
        fix = " ".join(filter(None, ("@mount", valid, uri, mode)))
        draft.report(item, "mount_name_invalid", f"{name!r} is no Python name", fix, severity="error")
    elif uri.partition("://")[0].lower() not in MOUNT_SCHEMES or "://" not in uri:
        known = ", ".join(f"{scheme}://" for scheme in MOUNT_SCHEMES)
        scheme, separator, rest = uri.partition("://")
        guess = nearest(scheme, MOUNT_SCHEMES) if separator else None
        cure = f"{guess}://{rest}" if guess else "file:///absolute/" + uri.lstrip("./") if not separator else None
        text = f"{uri!r} cannot be mounted; known are {known}"
        draft.report(item, "mount_uri_unsupported", text, f"@mount {name} {cure} {mode}".rstrip() if cure else None)
    elif (lacking := incomplete(uri)) is not None:
        draft.report(item, "mount_uri_unsupported", lacking)
    elif mode not in ("", "ro", "rw"):
        draft.malformed(item, f"the mode is ro or rw, not {mode!r}", nearest(mode, ("ro", "rw")))
    else:
        draft.add("mounts", Mount(name, uri, "rw" if mode == "rw" else "ro"))


def incomplete(uri: str) -> str | None:
    """Return what the address of a mount lacks, of a scheme that is known, None when nothing."""
    scheme, _, rest = uri.partition("://")
    if scheme.lower() == "file" and not rest.startswith("/"):
        return f"{uri!r} cannot be mounted: a folder is named from the root, as in file:///absolute/folder"
    if scheme.lower() != "file" and not rest.partition("/")[0]:
        return f"{uri!r} cannot be mounted: it names no bucket, as in {scheme}://bucket/folder"
    if ".." in rest.split("/"):
        return f"{uri!r} cannot be mounted: write it without `..`"
    return None


_PLAIN_POLICIES: dict[str, Policy] = {
    "off": "off",
    "frozen": "frozen",
    "forever": "forever",
    "session": "session",
    "snapshot": "snapshot",
}


def _cache(draft: Draft, item: Item) -> None:
    word, equals, rest = item.value.partition("=")
    if not equals and word in _PLAIN_POLICIES:
        draft.fields["cache"] = CachePolicy(_PLAIN_POLICIES[word])
    elif item.value == "fingerprint":
        if draft.is_sql:
            draft.fields["cache"] = CachePolicy("fingerprint")
        else:
            draft.malformed(item, "the policy fingerprint is for sql cells; files and tables are observed anyway")
    elif word == "ttl":
        if (seconds := duration(rest)) is not None:
            draft.fields["cache"] = CachePolicy("ttl", seconds)
        else:
            draft.malformed(item, f"ttl needs a time such as 45s, 30m, 1h or 2d, not {rest!r}", "@cache ttl=30m")
    else:
        guess = nearest(word, (*_PLAIN_POLICIES, "ttl"))
        choices = ", ".join((*_PLAIN_POLICIES, "ttl=30m"))
        draft.malformed(
            item, f"@cache needs one of {choices}, not {item.value!r}", f"@cache {guess}" if guess else None
        )


def _nocache(draft: Draft, item: Item) -> None:
    if item.value.lower() in _FALSE:
        return
    draft.fields["cache"] = CachePolicy("off")  # also with stray words: to run the cell is always right
    if item.value and item.value.lower() not in _TRUE:
        draft.malformed(item, "@nocache takes no value", "@nocache")


def _deps(draft: Draft, item: Item) -> None:
    tokens = _tokens(item.value)
    for token in tokens:
        kind, colon, name = token.partition(":")
        if colon and name and kind in ("file", "env", "dist"):
            draft.add("deps", Declared(kind, name))  # type: ignore[arg-type]  # checked in the line above
        else:
            guess = nearest(kind, ("file", "env", "dist")) if colon else None
            fix = f"{guess}:{name}" if guess else None
            draft.malformed(item, f"{token!r} must be file:PATH, env:NAME or dist:NAME", fix)
    if not tokens:
        draft.malformed(item, "@deps needs file:PATH, env:NAME or dist:NAME")


def _after(draft: Draft, item: Item) -> None:
    cells = item.value.replace(",", " ").split()
    draft.add("after", *cells)
    if not cells:
        draft.malformed(item, "@after needs the id or name of a cell")


def _loop(draft: Draft, item: Item) -> None:
    draft.loop_item = item
    for token in item.value.split():
        key, equals, value = token.partition("=")
        if equals and key in ("max_iter", "carry", "start_from"):
            draft.loop[key] = value
        else:
            guess = nearest(key, ("max_iter", "carry", "start_from"))
            draft.malformed(item, f"@loop does not know {token!r}", f"{guess}={value}" if guess else None)


def _loop_until(draft: Draft, item: Item) -> None:
    draft.loop_item = draft.loop_item or item
    try:
        ast.parse(item.value.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        draft.malformed(item, "@loop_until needs a Python expression")
    else:
        draft.fields["loop_until"] = item.value


def _variant(draft: Draft, item: Item) -> None:
    words = item.value.split()
    if len(words) == 2 and all(word.isidentifier() for word in words):
        draft.fields["variant"] = (words[0], words[1])
    else:
        draft.malformed(item, "@variant is written group name")


def _per_variant(draft: Draft, item: Item) -> None:
    if not item.value or item.value.isidentifier():
        draft.fields["per_variant"] = item.value
    else:
        draft.malformed(item, "@per_variant takes nothing, or the name of one group")


def _table(draft: Draft, item: Item) -> None:
    words = item.value.split()
    name, uri, option = (*words, "", "", "")[:3]
    warehouse, _, table = uri.partition("#")
    key, _, number = option.partition("=")
    snapshot = _integer(number)
    wrong = len(words) > 3 or (option and (key != "snapshot" or snapshot is None))
    if wrong or not _is_name(name) or not warehouse or not re.fullmatch(r"[^.\s#]+(\.[^.\s#]+)+", table):
        draft.malformed(item, "@table is written name warehouse#namespace.table [snapshot=id]")
    else:
        draft.add("tables", TableInput(name, warehouse, table, snapshot))


def _temperature(draft: Draft, item: Item) -> None:
    value = _number(item.value)
    if value is None or not 0 <= value < math.inf:
        draft.malformed(item, "@temperature needs a number from 0 up")
    else:
        draft.fields["temperature"] = value


def _count(draft: Draft, item: Item) -> None:
    value = _integer(item.value)
    if value is None or value < 1:
        draft.malformed(item, f"@{item.name} needs a positive whole number")
    else:
        draft.fields[item.name] = value


def _system(draft: Draft, item: Item) -> None:
    if item.value:
        draft.fields["system"] = (*draft.fields.get("system", ()), item.value)
    else:
        draft.malformed(item, "@system needs a text")


def _output_schema(draft: Draft, item: Item) -> None:
    if _is_name(item.value) or re.fullmatch(r"[^{}\s]+\.json", item.value):
        draft.fields["output_schema"] = item.value
        return
    try:
        good = isinstance(json.loads(item.value), dict)
    except (ValueError, RecursionError):
        good = False
    if good:
        draft.fields["output_schema"] = item.value
    else:
        draft.malformed(item, "@output_schema needs a JSON object in one line, a .json file or a pydantic model's name")


def _sql(draft: Draft, item: Item) -> None:
    options = dict(token.partition("=")[::2] for token in item.value.split())
    connection, write = options.pop("connection", ""), options.pop("write", "false").lower()
    if not connection or options or write not in (*_TRUE, *_FALSE):
        draft.malformed(item, "@sql is written connection=name [write=true]")
    if connection:
        draft.fields["sql"] = Sql(connection, write in _TRUE)


PARSERS: dict[str, Callable[[Draft, Item], None]] = {
    "after": _after,
    "cache": _cache,
    "deps": _deps,
    "env": _env,
    "loop": _loop,
    "loop_until": _loop_until,
    "max_tokens": _count,
    "model": _text,
    "mount": _mount,
    "name": _name,
    "nocache": _nocache,
    "output": _text,
    "output_schema": _output_schema,
    "per_variant": _per_variant,
    "sql": _sql,
    "system": _system,
    "table": _table,
    "temperature": _temperature,
    "timeout": _timeout,
    "validate_retries": _count,
    "variant": _variant,
    "worker": _worker,
}

#: All directives, and those that may stand several times.
NAMES = tuple(PARSERS)
REPEATABLE = frozenset({"after", "deps", "env", "loop", "mount", "system", "table"})
