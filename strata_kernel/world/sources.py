"""What a Python source file imports, by its text alone."""

from __future__ import annotations

import re

#: (level, module, names): `from .a import b` is (1, "a", ("b",)), `import a.b` is (0, "a.b", ()).
Import = tuple[int, str, tuple[str, ...]]

# Not a syntax tree: that costs milliseconds per file in a process whose whole budget is some hundred. The pattern
# also matches in comments and strings; a dependency too many is only a file looked at for nothing.
_IMPORT = re.compile(r"import\b[ \t]*(?P<names>\((?:[^)#]|#[^\n]*\n)*\)|[^\n;#]*)")
_BEFORE = re.compile(r"(?:\A|\W)from[ \t]*(?P<dots>\.*)[ \t]*(?P<name>[\w.]*)[ \t]*\Z")
_BY_NAME = re.compile(r"\b(?:import_module|__import__)\(\s*[rub]?['\"](?P<name>[\w.]+)['\"]")
_NAME = re.compile(r"(?:\w+\s*\.\s*)*\w+|\*")
_COMMENT = re.compile(r"#[^\n]*")


def imports_of(source: bytes) -> tuple[Import, ...]:
    """Return the imports anywhere in the source, in a fixed order, and perhaps some that it only talks about."""
    text = source.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
    found: set[Import] = set()
    end = 0
    # A literal search is many times faster than a pattern that begins with a word boundary.
    while (start := text.find("import", end)) >= 0:
        end = start + 6
        if start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            continue
        match = _IMPORT.match(text, start)
        if match is None:
            continue
        end = match.end()
        before = text[text.rfind("\n", 0, start) + 1 : start]
        listed = _names(match["names"])
        base = _BEFORE.search(before) if "from" in before else None
        if base is None:
            found.update((0, name, ()) for name in listed if name != "*")
        elif listed:
            found.add((len(base["dots"]), base["name"], tuple(listed)))
    for match in _BY_NAME.finditer(text) if "import_module" in text or "__import__" in text else ():
        name = match["name"]
        level = len(name) - len(name.lstrip("."))
        found.add((level, name[level:], ()))
    return tuple(sorted(found))


def _names(text: str) -> list[str]:
    found = []
    for item in _COMMENT.sub("", text).strip("() \t\r\n").split(","):
        if match := _NAME.match(item.strip()):
            found.append(re.sub(r"\s", "", match[0]))
    return found


def targets(module: str, package: bool, found: Import) -> list[str]:
    """Return the absolute module names that an import may load; `a.*` stands for all submodules of a."""
    level, name, names = found
    if level:
        parts = module.split(".") if package else module.split(".")[:-1]
        if level > len(parts):
            return []
        parts = parts[: len(parts) - level + 1]
        name = ".".join([*parts, name] if name else parts)
    result = [name] if name else []
    result.extend(f"{name}.{item}" for item in names)
    return result
