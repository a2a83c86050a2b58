"""From text to a syntax tree, the way IPython compiles cells."""

from __future__ import annotations

import ast
import re
import warnings

_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
NEWLINE = re.compile("\r\n?")


def parse(text: str) -> ast.Module:
    """Parse the text of a cell; top-level `await` is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(text, "<cell>", "exec", _FLAGS, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def is_quiet(text: str, tree: ast.Module) -> bool:
    """Return whether the text ends with a semicolon, which keeps IPython from showing the last value."""
    if ";" not in text or not tree.body:
        return False
    last = tree.body[-1]
    lines = NEWLINE.sub("\n", text).split("\n")
    row = (last.end_lineno or 1) - 1
    rest = lines[row].encode("utf-8", "surrogatepass")[last.end_col_offset or 0 :].decode("utf-8", "surrogatepass")
    return "\n".join([rest, *lines[row + 1 :]]).lstrip(" \t\f\\\n").startswith(";")
