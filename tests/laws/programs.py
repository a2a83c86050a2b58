"""Strategies for cases: a document of 2 to 12 cells from the grammar, its world, and actions upon it."""

import ast
import builtins
import functools
import os
import re

from hypothesis import strategies as st

from . import fragments, libraries
from .fragments import VALUES

MARK = re.compile(r"<(\+?)(\w+)(?::(\w+))?>")
PIECES = fragments.PIECES | libraries.PIECES
NAMES = fragments.NAMES | libraries.NAMES
FILES = fragments.FILES | libraries.FILES
STRINGS = ("'x'", "'yy'", "'a b'", "'a'", "'\u00e9\\n'", "''")
NUMBER = re.compile(r"(?<![\w.'%])\d+(?![\w.'%])")
# Importing a library costs a kernel a second.
THEMES = os.environ.get("LAWS_THEMES", "").split() or [
    *[t for t in fragments.PIECES if t not in ("core", "pandas")] * 3, "pandas", *libraries.PIECES,
]  # fmt: skip
DROPPED = "dropped"
#: What may be active of a group: one of the names in the grammar, all of them, or one that may not be there.
ACTIVE = ("*", "*", "*", "one", "two", "three")


class Piece:
    """One entry of the grammar."""

    def __init__(self, theme, line):
        self.theme, self.pure, self.text = theme, line.startswith("P "), line[2:].replace("\\n", "\n")
        marks = MARK.findall(self.text)
        self.needs = {label: kind for new, kind, label in marks if not new and label and kind not in ("any", "any2")}
        self.news = [(label, kind) for new, kind, label in marks if new]
        self.anys = [label for new, kind, label in marks if not new and kind in ("any", "any2")]


GRAMMAR = {theme: [Piece(theme, line) for line in text.strip("\n").split("\n")] for theme, text in PIECES.items()}


@functools.lru_cache(20_000)
def scopes(text):
    """Return the names that a piece needs from outside and those that it binds at its top level, roughly."""
    if text.startswith(("%", "!")):
        return frozenset({"cap"} if "cap." in text else ()), frozenset({"cap"} if text.startswith("%%capture") else ())
    if "!echo" in text:
        return frozenset(), frozenset()
    tree, loaded, stored, top = ast.parse(text), set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else stored).add(node.id)
        elif isinstance(node, ast.arg):
            stored.add(node.arg)
        elif isinstance(node, ast.alias):
            stored.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stored.add(node.name)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            top.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            top |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, ast.Assign):
            top |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return frozenset(loaded - stored - set(vars(builtins)) - {"_", "get_ipython"}), frozenset(top)


def written(piece, kinds, rnd):
    """Fill a piece with names that exist; return its text and the kinds it leaves, or None where a name is missing."""
    chosen, left = {}, {}
    for label, kind in piece.needs.items():
        having = [n for n, k in kinds.items() if k == kind]
        if not having and not (kind == "int" and rnd.random() < 0.5):
            return None
        chosen[label] = rnd.choice(having) if having else str(rnd.randint(0, 9))
        if not having and (
            piece.text.startswith("# @loop")
            or f"<{label}> +" in piece.text
            or "'<int" in piece.text
            or f"<int:{label}> +=" in piece.text
            or "{<int" in piece.text
        ):
            return None
    for label in piece.anys:
        values = sorted(n for n, k in kinds.items() if k != "fixed")
        if not values:
            return None
        chosen[label] = rnd.choice(values)
    for label, kind in piece.news:
        if kind == "same":
            kind = kinds.get(chosen[piece.anys[0]])
        chosen[label] = rnd.choice(NAMES.get(kind, VALUES))
        left[chosen[label]] = kind
    if piece.text.startswith("del "):
        left[chosen[piece.anys[0]]] = DROPPED
    elif len(piece.anys) == 2 and "," in piece.text:
        x, y = (chosen[label] for label in piece.anys)
        left |= {x: kinds[y], y: kinds[x]}

    def fill(m):
        kind, label = m[2], m[3]
        if label or kind in chosen:
            return chosen[label or kind]
        if kind == "i":
            return str(rnd.choice((0, 1, 2, 3, 5, 7, 9)))
        if kind == "n":
            return str(rnd.choice((1, 2, 3, 5)))
        if kind == "s":
            return rnd.choice(STRINGS)
        return rnd.choice(VALUES)

    text = MARK.sub(fill, piece.text)
    try:
        needed, bound = scopes(text)
    except SyntaxError:  # a number stands where a name is bound
        return None
    if "NameError" not in text and not needed <= kinds.keys() and rnd.random() < 0.98:
        return None
    return text, dict.fromkeys(bound, "fixed") | left


def cell(kinds, themes, rnd):
    """Write one cell of one to three pieces; return its source, the kinds it leaves and whether it is pure."""
    parts, left, pure, here = [], {}, True, dict(kinds)
    wanted = rnd.choice((1, 1, 2, 2, 3))
    for _ in range(40):
        theme = rnd.choice(themes)
        piece = rnd.choice(GRAMMAR[theme])
        alone = piece.text.startswith(("%%", "# @"))
        if (alone and parts) or (found := written(piece, here, rnd)) is None:
            continue
        text, kept = found
        parts.append(text)
        left |= kept
        here = {k: v for k, v in (here | kept).items() if v != DROPPED}
        pure = pure and piece.pure
        if alone or len(parts) == wanted:
            break
    return "\n".join(parts) or "pass", left, pure


class Document:
    """The cells of a case as they change, with what is known of their names."""

    def __init__(self, themes, rnd):
        self.themes, self.rnd = themes, rnd
        self.cells, self.past, self.pure = [], {}, {}

    def kinds(self, upto):
        out = {}
        for _, left in self.cells[:upto]:
            out |= left
        return {k: v for k, v in out.items() if v != DROPPED}

    def fresh(self, position):
        source, left, pure = cell(self.kinds(position), self.themes, self.rnd)
        self.pure[source] = pure
        return source, left

    def replace(self, i, source, left):
        self.past.setdefault(i, []).append(self.cells[i])
        self.cells[i] = (source, left)
        return ("edit", i, source)

    def edit(self):
        """Change one cell: another cell, one number of it, its comments only, or back to what it was."""
        rnd = self.rnd
        i = rnd.randrange(len(self.cells))
        source, left = self.cells[i]
        how = rnd.choice(("tweak", "tweak", "tweak", "new", "cosmetic", "revert", "type"))
        if how == "revert":
            if not self.past:
                how = "tweak"
            else:
                i = rnd.choice(sorted(self.past))
                if i < len(self.cells):
                    before, left = rnd.choice(self.past[i])
                    return self.replace(i, before, left)
        if how == "cosmetic" and not source.startswith("%%"):
            return self.replace(
                i, rnd.choice(("# note\n\n{}", "\n{}  # seen", "{}\n\n# end", "{}\n")).format(source), left
            )
        numbers = list(NUMBER.finditer(source))
        if how in ("tweak", "type") and numbers:
            m = rnd.choice(numbers)
            value = (
                str((int(m[0]) + rnd.randint(1, 8)) % 10)
                if how == "tweak"
                else rnd.choice((f"{m[0]}.0", "True", f"({m[0]})"))
            )
            changed = source[: m.start()] + value + source[m.end() :]
            self.pure[changed] = self.pure.get(source, False)
            return self.replace(i, changed, left)
        return self.replace(i, *self.fresh(i))

    def change(self):
        """One change of the document as a step."""
        rnd, n = self.rnd, len(self.cells)
        op = rnd.choice(("edit", "edit", "edit", "edit", "insert", "delete", "move"))
        if op == "insert" and n < 13:
            i = rnd.randint(0, n)
            made = self.fresh(i)
            self.cells.insert(i, made)
            self.past.clear()
            return ("insert", i, made[0])
        if op == "delete" and n > 2:
            i = rnd.randrange(n)
            del self.cells[i]
            self.past.clear()
            return ("delete", i)
        if op == "move" and n > 1:
            i, j = rnd.randrange(n), rnd.randrange(n)
            self.cells.insert(j, self.cells.pop(i))
            self.past.clear()
            return ("move", i, j)
        return self.edit()


def disturbance(files, rnd):
    """Something that happens between two runs and is no change of the document."""
    op = rnd.choice(
        ("restart", "restart", "restart", "kill", "corrupt", "second", "world", "world", "none", "none", "clear")
    )
    if op == "world" and files:
        path = rnd.choice(sorted(files))
        how = rnd.choice(("touch", "write", "write", "write_keep_mtime", "remove"))
        if how in ("touch", "remove"):
            return (how, path)
        text = files[path]
        return (
            how,
            path,
            re.sub(r"\d", lambda m: str((int(m[0]) + 1) % 10), text) if re.search(r"\d", text) else text.swapcase(),
        )
    return {
        "kill": ("kill",),
        "restart": ("restart",),
        "second": ("second",),
        "clear": ("clear",),
        "corrupt": (
            "corrupt",
            rnd.choice(("flip", "flip", "truncate", "drop")),
            rnd.choice(("cas", "cas", "ac")),
            rnd.randint(0, 999),
        ),
    }.get(op)


def generate(rnd):
    """Draw a case: document, world, steps."""
    themes = ["core", *(rnd.choice(THEMES) for _ in range(rnd.choice((1, 1, 2, 3))))]
    if rnd.random() < 0.5:
        themes.append(themes[1])
    document = Document(themes, rnd)
    for i in range(rnd.randint(2, 12)):
        document.cells.append(document.fresh(i))
    files = {k: v for t in themes for k, v in FILES.get(t, {}).items()}
    if "modules" in themes and rnd.random() < 0.3:  # who imports them first shows that
        files |= {path: f"print({path!r})\n{files[path]}" for path in ("helper.py", "base.py")}
    cells = [source for source, _ in document.cells]
    variants = {g: rnd.choice(ACTIVE) for g in "gh"} if "variants" in themes else {}
    steps = [("run_all",)] + [("check",)] * (rnd.random() < 0.5)
    restarts = 0
    for _ in range(rnd.randint(1, 4)):
        for _ in range(rnd.choice((0, 1, 1, 2))):
            steps.append(document.change())
        if (event := disturbance(files, rnd)) is not None:
            restarts += event[0] in ("restart", "kill", "second")
            if restarts > 2 and event[0] in ("restart", "kill", "second"):
                event = None
            else:
                steps.append(event)
        if variants and rnd.random() < 0.4:
            steps.append(("activate", rnd.choice("gh"), rnd.choice(ACTIVE)))
        for _ in range(rnd.choice((0, 0, 0, 1, 2))):
            steps.append(("run", rnd.randrange(len(document.cells))))
            if rnd.random() < 0.6:
                steps.append(("check",))
        steps.append(("run_all",))
        if rnd.random() < 0.5:
            steps.append(("check",))
        if rnd.random() < 0.3:
            steps += [("run_all",), ("all_hit",)]
    if steps[-1] != ("check",):
        steps.append(("check",))
    pure = sorted(s for s, p in document.pure.items() if p)
    return {
        "name": "-".join(themes),
        "variants": variants,
        "cells": cells,
        "files": files,
        "steps": steps,
        "pure": pure,
        "env": {"STRATA_CACHE_MIN_RUNTIME_MS": rnd.choice(("0", "0", "5"))},
    }


cases = st.randoms(use_true_random=False).map(generate)
seeded = st.randoms(use_true_random=True).map(generate)
