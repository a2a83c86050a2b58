"""Sizes and names stay within the house's bounds; the list of exceptions may only shrink."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("strata_kernel", "strata_labextension")
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))

MAX_FILE, MAX_BODY, MAX_METHODS, MAX_PARAMETERS = 400, 80, 20, 7

#: What may exceed a bound, with the reason: {"path[:qualified name]": "why"}. It may only shrink.
EXCEPTIONS: dict[str, str] = {}
MOST_EXCEPTIONS = 0

FORBIDDEN_WORDS = {
    "manager", "managers", "helper", "helpers", "util", "utils", "common", "core", "misc", "service", "services",
    "data", "info",
}  # fmt: skip
FORBIDDEN_PREFIX = "do_"
#: Names that the kernel protocol and tornado give us.
GIVEN_NAMES = re.compile(
    r"data_received|do_(execute|complete|inspect|history|shutdown|is_complete|debug_request|apply|clear|one_iteration)"
)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def excesses(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    name = path.relative_to(ROOT).as_posix()
    if (lines := len(text.splitlines())) > MAX_FILE:
        yield name, f"{lines} lines"
    for qualified, node in functions(tree):
        first, last = node.body[0], node.body[-1]
        if (length := (last.end_lineno or 0) - first.lineno + 1) > MAX_BODY:
            yield f"{name}:{qualified}", f"a body of {length} lines"
        args = node.args
        given = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, [args.vararg, args.kwarg])]
        if (count := sum(a.arg not in ("self", "cls") for a in given)) > MAX_PARAMETERS:
            yield f"{name}:{qualified}", f"{count} parameters"
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        methods = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in kind.body)
        if methods > MAX_METHODS:
            yield f"{name}:{kind.name}", f"{methods} methods"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_sizes(path: Path) -> None:
    assert [(where, what) for where, what in excesses(path) if where not in EXCEPTIONS] == []


def test_exceptions_only_shrink() -> None:
    needed = {where for path in FILES for where, _ in excesses(path)}
    assert set(EXCEPTIONS) <= needed, "these need no exception any more: remove them"
    assert len(EXCEPTIONS) <= MOST_EXCEPTIONS
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text("utf-8").strip():
        return
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert doc, "no docstring"
    first = doc.split("\n\n")[0].strip()
    assert first.endswith((".", ":")), first


def words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_names(path: Path) -> None:
    """Of modules, classes and functions: one word for one thing, and none of the empty ones."""
    tree = ast.parse(path.read_text("utf-8"))
    defined = [path.stem, *(q.rpartition(".")[2] for q, _ in functions(tree))]
    defined += [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    bad = [n for n in defined if words(n) & FORBIDDEN_WORDS and not GIVEN_NAMES.fullmatch(n)]
    bad += [n for n in defined if n.startswith(FORBIDDEN_PREFIX) and not GIVEN_NAMES.fullmatch(n)]
    assert bad == []


def broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return not raises and (handler.type is None or bool(caught & {"Exception", "BaseException"}))


def test_broad_excepts_say_why() -> None:
    """What swallows every exception hides bugs too: a comment on its line, or on the one below, must say why."""
    silent = []
    for path in FILES:
        text = path.read_text("utf-8")
        lines = text.splitlines()
        handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
        for handler in filter(broad, handlers):
            if not any("#" in line for line in lines[handler.lineno - 1 : handler.lineno + 1]):
                silent.append(f"{path.relative_to(ROOT)}:{handler.lineno}")
    assert silent == []
