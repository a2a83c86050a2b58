"""Settings written back to their file: what is not ours stays as it stands, and secrets never reach it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: Values under such names are blanked when settings are saved.
SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL")
#: Lists of tables and what tells their members apart.
_NAMED = {"workers": "name", "mounts": "name", "variant_group": "group"}
_REFERENCE = re.compile(r"\$\{\w+\}")
#: Where addresses hold passwords: behind the user, and among the parameters.
_BETWEEN = re.compile(r"(://[^/@:]*):[^/]*@")
_QUERIED = re.compile(r"(?<=\?)(?:ssl)?password=[^&]*&?|&(?:ssl)?password=[^&]*", re.IGNORECASE)
#: Values under secret names that are none.
_PUBLIC = frozenset({"", "anon", "cloud", "google_default"})
_NAMES_A_VARIABLE = ("_env", "_ENV")


def is_secret(name: str) -> bool:
    """Tell whether a value under this name must not be written to a file."""
    return any(word in name.upper() for word in SECRET_WORDS)


def secrets_in(options: Any) -> Iterator[str]:
    """Yield the names of options that hold a secret as it is, and not the name of a variable."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            if isinstance(value, Mapping):
                yield from secrets_in(value)
            elif is_secret(str(name)) and isinstance(value, str) and value not in _PUBLIC and "${" not in value:
                yield str(name)


def save(path: Path, changes: Mapping[str, Any]) -> bool:
    """Write the changes into the settings file, made when it is missing, in one step; tell whether it changed.

    Raises ValueError when what stands there is not TOML, and OSError.
    """
    try:
        before = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        before = ""
    after = rewrite(before, changes)
    if after == before:
        return False
    # Through a link to the file itself, which may lie in a dotfiles folder.
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(after.encode())
        with contextlib.suppress(OSError):
            temporary.chmod(target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def rewrite(text: str, changes: Mapping[str, Any]) -> str:
    """Return the TOML text with the changes in it (None removes a key); the rest stays as it is, comments included.

    The members of a list of tables are told by their names: given ones are changed in place, missing ones go. Secrets
    are blanked. Raises ValueError when the text is not TOML.
    """
    import tomlkit

    document = tomlkit.parse(text)
    _change(document, changes, tomlkit.table)
    _blank(document)
    return tomlkit.dumps(document)


def _change(target: Any, changes: Mapping[str, Any], table: Callable[[], Any]) -> None:
    for key, value in changes.items():
        if value is None:
            _remove(target, key)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(key), dict):
                _put(target, key, table())
            _change(target[key], value, table)
        elif key in _NAMED and isinstance(value, list | tuple):
            _change_list(target, key, value, table)
        elif target.get(key) != value:
            _put(target, key, value)


def _put(target: Any, key: str, value: Any) -> None:
    """Set a value; a new one stands above the remarks on the next table, which the file's reader takes for ours."""
    above = _remarks(target) if key not in target else []
    target[key] = value
    if above:
        target.value.body.extend(above)


def _remove(target: Any, key: str) -> None:
    """Take a value out, but not the remarks on the table behind it."""
    import tomlkit.items as items

    last = gone = target.get(key)
    while isinstance(last, items.Table) and last.value.body and isinstance(last.value.body[-1][1], items.Table):
        last = last.value.body[-1][1]
    left = "".join(item.as_string() for _, item in _remarks(last)).strip("\n")
    body = target.value.body if isinstance(target, items.Table) and isinstance(gone, items.Table) else []
    at = next((i for i, (name, _) in enumerate(body) if name is not None and name.key == key), None)
    target.pop(key, None)
    if left and at is not None:
        body[at] = (None, items.Whitespace(left + "\n"))


def _remarks(table: Any) -> list[Any]:
    """Take out and return the blank lines and comments that a table ends with."""
    import tomlkit.items as items

    if not isinstance(table, items.Table):
        return []
    body = table.value.body
    at = len(body)
    while at and body[at - 1][0] is None and isinstance(body[at - 1][1], items.Comment | items.Whitespace):
        at -= 1
    taken = body[at:]
    del body[at:]
    return taken


def _change_list(target: Any, key: str, wanted: Iterable[Mapping[str, Any]], table: Callable[[], Any]) -> None:
    import tomlkit

    name, wanted = _NAMED[key], list(wanted)
    names = [item.get(name) for item in wanted]
    here = target.get(key)
    if here is None:
        if not wanted:
            return
        here = target[key] = tomlkit.aot()
        here = target[key]
    for place in reversed(range(len(here))):
        if here[place].get(name) not in names:
            del here[place]
    standing = {here[place].get(name): here[place] for place in range(len(here))}
    for item in wanted:
        if (former := standing.get(item.get(name))) is not None:
            _change(former, item, table)
            continue
        fresh = table()
        _change(fresh, item, table)
        here.append(fresh)
    if not wanted:
        target.pop(key, None)


def _blank(document: Mapping[str, Any]) -> None:
    _blank_in(document.get("env"))
    for key, inner in (("workers", "config"), ("mounts", "options")):
        items = document.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                _blank_in(item.get(inner))
    connections = document.get("connections")
    for connection in connections.values() if isinstance(connections, dict) else ():
        if isinstance(connection, dict):
            _blank_in(connection.get("auth"), every=True)


def _blank_in(table: Any, *, every: bool = False) -> None:
    """Blank the secrets of a table and of those in it; what only names a variable is none."""
    if not isinstance(table, dict):
        return
    for name in list(table):
        value = table[name]
        if isinstance(value, dict):
            _blank_in(value, every=every or is_secret(name))
        elif (every or is_secret(name)) and not name.endswith(_NAMES_A_VARIABLE) and not is_reference(value):
            table[name] = ""


def is_reference(value: Any) -> bool:
    """Tell whether a value is the name of a variable that holds a secret, or nothing at all."""
    return value == "" or (isinstance(value, str) and _REFERENCE.fullmatch(value) is not None)


def without_password(uri: str) -> str:
    """Return an address without the password that stands in it."""
    return _QUERIED.sub("", _BETWEEN.sub(r"\1@", uri))


def expand(value: Any, environ: Mapping[str, str]) -> Any:
    """Return options with every `${VAR}` replaced; raise KeyError with the name of a variable that is not set."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: environ[match[1]], value)
    if isinstance(value, Mapping):
        return {key: expand(inner, environ) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [expand(inner, environ) for inner in value]
    return value
