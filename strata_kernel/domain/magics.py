"""IPython's magics as syntax: what they run, read, store and change."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from strata_kernel.domain.expressions import called
from strata_kernel.domain.scopes import bindings
from strata_kernel.domain.syntax import is_quiet, parse
from strata_kernel.domain.walk import HANDLERS, WORD, Walk

#: Magics that run their argument as Python in the notebook's namespace, and the options that take a value.
_INLINE = {"time": "", "prun": "DlsT", "capture": ""}
_TIMEIT = "nrpv"
_EFFECT = frozenset({
    "matplotlib", "config", "load_ext", "reload_ext", "unload_ext", "autoreload", "aimport", "set_env", "cd", "pushd",
    "popd", "precision", "xmode", "pprint", "colors", "gui", "alias", "unalias", "alias_magic", "automagic", "autocall",
    "autoawait", "autoindent", "bookmark", "doctest_mode", "rehashx", "logstart", "logon", "logoff", "logstop", "pdb",
})  # fmt: skip
_LOOK = frozenset({
    "pinfo", "pinfo2", "psearch", "pdef", "pdoc", "pfile", "psource", "page", "pycat", "quickref", "lsmagic", "magic",
    "history", "hist", "tb", "notebook", "pastebin", "save", "show_usage", "strata", "dhist", "dirs", "logstate",
    "killbgscripts",
})  # fmt: skip
_PROCESS = frozenset({
    "bash", "sh", "script", "system", "sx", "sc", "!", "!!", "ruby", "perl", "cmd", "pypy", "python", "python2",
    "python3", "pip", "conda", "mamba", "micromamba", "uv", "ls", "ll", "lf", "lk", "lx", "ldir", "cat", "cp", "mv",
    "rm", "rmdir", "mkdir", "rep", "man", "more", "less", "clear",
})  # fmt: skip
_SHOWN = frozenset({"html", "HTML", "latex", "javascript", "js", "markdown", "svg", "SVG", "writefile", "file"})
_SILENT = _EFFECT | _SHOWN | {"prun", "capture", "pip", "conda", "bash", "sh", "script"}
_UNEXPANDED = frozenset({"time", "timeit", "prun", "debug"})

_OPTION_OUT = re.compile(r"--(?:out|err|proc)[ =]+([^\W\d]\w*)")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)")
_TOKEN = re.compile(r"\"([^\"]*)\"|'([^']*)'|(\S+)")
_LINE = re.compile(r"^(\s*)(?:([\w.\[\]'\", ]+?)\s*=\s*)?(?:%(\w+)|(!))\s*(.*)$")


class Magic(ast.expr):
    """A call of a magic. `body` is a parsed tree where it runs Python, its text where it is something else."""

    _fields = ("kind", "name", "args", "body", "quiet")
    kind: str
    name: str
    args: str
    body: ast.Module | str | None
    quiet: bool
    #: The text that `body` was parsed from, the names that options bind, whether the text begins in the magic's own
    #: line: these follow from the fields above.
    text: str
    binds: tuple[str, ...]
    headed: bool


class Inlined:
    """The statements inside of a magic that runs them as if they stood at the top level."""

    def __init__(self, magic: Magic, body: ast.Module) -> None:
        self.magic = magic
        self.body: Sequence[ast.stmt] = body.body
        self.text = magic.text
        self.after = [ast.copy_location(ast.Name(id=name, ctx=ast.Store()), magic) for name in magic.binds]

    @contextmanager
    def shifted(self, walk: Walk) -> Iterator[None]:
        """Count lines inside of the magic as lines of the cell."""
        with _shifted(walk, self.magic):
            yield


@contextmanager
def _shifted(walk: Walk, magic: Magic) -> Iterator[None]:
    before = walk.offset
    walk.offset += magic.lineno - 1 if magic.headed else magic.lineno
    try:
        yield
    finally:
        walk.offset = before


def model(tree: ast.Module) -> ast.Module:
    """Return the tree with calls of magics replaced by what they mean."""
    replaced = _Model().visit(tree)
    assert isinstance(replaced, ast.Module)
    return replaced


class _Model(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        magic = _recognised(node)
        return self.generic_visit(node) if magic is None else ast.copy_location(magic, node)


def _recognised(node: ast.Call) -> Magic | None:
    function = node.func
    if not (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
        and not function.value.args
        and not node.keywords
    ):
        return None
    texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if len(texts) != len(node.args):
        return None
    match function.attr, texts:
        case "run_line_magic", [name, args]:
            return _magic("line", name.lstrip("%"), args, None)
        case "run_cell_magic", [name, args, body]:
            return _magic("cell", name.lstrip("%"), args, body)
        case "system" | "getoutput", [args]:
            return _magic(function.attr, "!", args, None)
        case "show_usage", []:
            return _magic("line", "show_usage", "", None)
    return None


def _magic(kind: str, name: str, args: str, body: str | None) -> Magic:
    magic = Magic()
    magic.kind, magic.name, magic.args, magic.body = kind, name, args, body
    magic.text, magic.binds, magic.quiet, magic.headed = "", (), False, False
    if name in _INLINE or name == "timeit":
        _parse(magic, body)
    elif name in _PROCESS:
        magic.binds = tuple(_OPTION_OUT.findall(args))
    return magic


def _parse(magic: Magic, body: str | None) -> None:
    """Fill the body of a magic that runs Python, when it is Python."""
    raw = magic.args
    options, rest = _options(raw, _TIMEIT if magic.name == "timeit" else _INLINE[magic.name])
    bound: list[str] = re.findall(r"-[a-zA-Z]*v\s*(\w+)", options) if magic.name == "timeit" else []
    if magic.name == "capture":
        if body is None:
            return
        bound += [word for word in rest.split() if word.isidentifier()]
        options, rest = raw, ""
    magic.binds = tuple(bound)
    # What stands in the line of a cell magic is executed first, once; it counts as the line above the body.
    magic.headed = body is None or bool(rest)
    text = rest if body is None else f"{rest}\n{body}" if rest else body
    tree = _module(text)
    if tree is not None:
        setup = _module(rest) if rest and body is not None else None
        magic.args = f"{len(setup.body) if setup else 0} {options}"
    else:
        # The text stays part of the canonical code: a line of a string may look like a magic, too.
        magic.args = f"{raw}\n{text}"
        text = "\n".join(map(_called, text.split("\n")))
        tree = _module(text)
        if tree is None:
            return
    magic.text = text
    magic.quiet = is_quiet(text, tree)
    magic.body = model(tree) if "get_ipython" in text else tree


def _module(text: str) -> ast.Module | None:
    try:
        return parse(text)
    except (SyntaxError, ValueError):
        return None


def _options(args: str, valued: str) -> tuple[str, str]:
    """Split leading options from the rest; `valued` are the letters that take a value."""
    short = rf"-[a-zA-Z]*[{valued}]\s*\S+|-[a-zA-Z]+" if valued else "-[a-zA-Z]+"
    pattern = re.compile(rf"\s*(?:--[a-z][a-z-]*|{short})(?=\s|$)")
    end = 0
    while (found := pattern.match(args, end)) is not None:
        end = found.end()
    return args[:end].strip(), args[end:].strip()


def _called(line: str) -> str:
    """Return a line of a magic's body with its own magic or command as a call, as IPython does."""
    found = _LINE.match(line)
    if found is None:
        return line
    indent, target, name, _, rest = found.groups()
    if name is not None:
        call = f"get_ipython().run_line_magic({name!r}, {rest!r})"
    else:
        call = f"get_ipython().{'system' if target is None else 'getoutput'}({rest!r})"
    return indent + (f"{target} = " if target else "") + call


def inlined(node: ast.stmt) -> Inlined | None:
    """Return what a statement runs at the top level when it is a magic that does so."""
    if isinstance(node, ast.Expr) and isinstance(node.value, Magic):
        magic = node.value
        if magic.name in _INLINE and isinstance(magic.body, ast.Module):
            return Inlined(magic, magic.body)
    return None


def shows(tree: ast.Module) -> bool:
    """Return whether the last statement is an expression whose value may be shown."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return False
    value = tree.body[-1].value
    if not isinstance(value, Magic):
        return True
    if value.name == "time" and isinstance(value.body, ast.Module):
        return not value.quiet and shows(value.body)
    if value.name == "timeit":
        return re.search(r" -[a-z]*o", value.args) is not None
    return value.kind != "system" and value.name not in _SILENT


def _walk(walk: Walk, node: Magic) -> None:
    name = node.name
    shown = f"%{name}" if node.kind == "line" else f"%%{name}" if node.kind == "cell" else "!"
    if name in _INLINE or name == "timeit":
        _python(walk, node, shown)
    else:
        _other(walk, node, shown)
    for bound in node.binds:
        walk.store(bound)


def _python(walk: Walk, node: Magic, shown: str) -> None:
    if not isinstance(node.body, ast.Module) or (walk.scope.kind != "module" and node.name != "timeit"):
        if node.name != "time" or node.body is not None or node.args:
            walk.note("opaque", "opaque", f"opaque `{shown}`", node)
        return
    with _shifted(walk, node):
        if node.name == "timeit":
            called(walk, node.body.body, bindings(node.body.body, True))
        else:
            walk.visits(node.body.body)
    if node.name == "timeit":
        walk.note("frozen", "clock", f"reads the clock at line {walk.line(node)}", node)


def _other(walk: Walk, node: Magic, shown: str) -> None:
    name, args = node.name, node.args
    if name in _LOOK:
        walk.note("always", "introspection", f"`{shown}` looks at the session", node)
        return
    for quoted, single, bare in _TOKEN.findall(args):
        walk.text(quoted or single or bare)
    if name not in _UNEXPANDED:
        _interpolate(walk, args)
    if name in _PROCESS:
        walk.note("always", "subprocess", f"subprocess at line {walk.line(node)}", node)
    elif name == "debug":
        walk.note("always", "input", "starts the debugger", node)
    elif name == "env":
        if "=" in args or len(args.split()) > 1:
            walk.effect("get_ipython", name, node)
    elif name in _EFFECT:
        walk.effect("get_ipython", name, node)
    elif name not in _SHOWN and name != "pwd":
        walk.charge()
        walk.note("opaque", "opaque", f"opaque `{shown}`", node)


def _interpolate(walk: Walk, args: str) -> None:
    """Read what IPython puts in place of `{x}` and `$x`."""
    for name in _DOLLAR.findall(args):
        walk.load(name)
    if "{" not in args:
        return
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(args) if field]
    except ValueError:
        fields = re.findall(r"\{([^{}]*)\}", args)
    for field in fields:
        try:
            walk.visit(ast.parse(field.strip(), mode="eval").body)
        except (SyntaxError, ValueError):
            for name in WORD.findall(field):
                walk.load(name)


HANDLERS[Magic] = _walk
