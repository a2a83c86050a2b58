"""Calls that can be told by their name: clock, entropy, processes, questions to the user, access to everything."""

from __future__ import annotations

import ast

from strata_kernel.domain.walk import Walk

_CLOCK_ANY = frozenset({
    "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time", "process_time_ns",
    "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns",
})  # fmt: skip
_CLOCK_METHODS = frozenset({"now", "utcnow", "today"})
_CLOCK_LITERAL = frozenset({"Timestamp", "to_datetime", "datetime64"})
_CLOCK_BARE = frozenset({"ctime", "localtime", "gmtime", "asctime"})
_ENTROPY_ANY = frozenset({"uuid1", "uuid4", "uuid6", "uuid7", "urandom", "getrandom", "SystemRandom"})
_SECRETS = frozenset({"token_hex", "token_bytes", "token_urlsafe", "randbelow", "randbits", "choice"})
_SEEDED = frozenset({
    "seed", "Random", "default_rng", "RandomState", "SeedSequence", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64",
})  # fmt: skip
_PID = frozenset({"getpid", "getppid", "times"})
_ASKS = {
    "input": "asks for input", "raw_input": "asks for input", "getpass": "asks for a password",
    "breakpoint": "starts the debugger", "set_trace": "starts the debugger",
}  # fmt: skip
_PROCESS_ANY = frozenset({
    "Popen", "check_output", "check_call", "getstatusoutput", "create_subprocess_exec", "create_subprocess_shell",
})  # fmt: skip
_PROCESS = {
    "subprocess": frozenset({"run", "call", "getoutput"}) | _PROCESS_ANY,
    "os": frozenset({
        "system", "popen", "fork", "forkpty", "startfile", "posix_spawn", "posix_spawnp", "spawnl", "spawnle",
        "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe", "execl", "execle", "execlp", "execlpe",
        "execv", "execve", "execvp", "execvpe",
    }),
    "pty": frozenset({"spawn", "fork"}),
    "pexpect": frozenset({"spawn", "run"}),
}  # fmt: skip
_FRAMES = frozenset({"currentframe", "_getframe", "_current_frames"})
_OPAQUE_FULL = frozenset({
    "inspect.stack", "inspect.trace", "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._getframe",
    "builtins.eval", "builtins.exec", "builtins.globals", "builtins.locals", "builtins.vars", "builtins.dir",
})  # fmt: skip

#: The last parts of all names that `judge` has something to say about.
CALLEES = (
    _CLOCK_ANY | _CLOCK_METHODS | _CLOCK_LITERAL | _CLOCK_BARE | {"time", "strftime"} | _ENTROPY_ANY | _SECRETS
    | _SEEDED | _PID | frozenset(_ASKS) | frozenset().union(*_PROCESS.values()) | _FRAMES
    | {"import_module", "__import__", "reload"} | {full.rpartition(".")[2] for full in _OPAQUE_FULL}
)  # fmt: skip


def judge(walk: Walk, node: ast.Call, found: tuple[str, str]) -> None:
    """Note what the call of the dotted name means for the cell."""
    root, path = found
    aliases = walk.facts.aliases
    known = aliases.get(root)
    if not path and known is None:
        # A variable of the cell, or a parameter, that only looks like the builtin or the import.
        if walk.scope.kind != "module" and not walk.scope.is_global(root, walk.assigned):
            return
        if root in walk.assigned:
            return
    full = (known or root) + ("." + path if path else "")
    package, _, last = full.rpartition(".")
    line = walk.line(node)
    if _is_clock(node, package, last, bool(path) or known is not None):
        walk.note("frozen", "clock", f"reads the clock at line {line}", node)
    elif last in _SEEDED and _unseeded(node):
        walk.note("frozen", "entropy", f"unseeded random at line {line}", node)
    elif last in _ENTROPY_ANY or (last in _SECRETS and package == "secrets"):
        walk.note("frozen", "entropy", f"draws randomness at line {line}", node)
    elif last in _PID and (package == "os" or (last != "times" and not package)):
        walk.note("frozen", "entropy", f"reads the process id at line {line}", node)
    elif last in _ASKS and (not package or last in ("set_trace", "getpass") or package == "builtins"):
        walk.note("always", "input", _ASKS[last], node)
    elif last in _PROCESS_ANY or last in _PROCESS.get(package, ()):
        walk.note("always", "subprocess", f"subprocess at line {line}", node)
    elif last in _FRAMES or full in _OPAQUE_FULL:
        walk.note("opaque", "opaque", f"opaque `{full}`", node)
    elif last == "reload":
        # Its result is the module, so the call is worth its effect even where the result is kept.
        walk.effect(root, path, node)
    elif last in ("import_module", "__import__"):
        _imported(walk, node)


def _is_clock(node: ast.Call, package: str, last: str, qualified: bool) -> bool:
    if last in _CLOCK_ANY:
        return True
    if last in _CLOCK_METHODS:
        return qualified
    if package == "time":
        count = len(node.args)
        return (
            last == "time"
            or (last in _CLOCK_BARE and (not count or _is_none(node.args[0])))
            or (last == "strftime" and count == 1)
        )
    if last in _CLOCK_LITERAL and node.args:
        first = node.args[0]
        return isinstance(first, ast.Constant) and first.value in ("now", "today")
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _unseeded(node: ast.Call) -> bool:
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    return all(map(_is_none, values))


def _imported(walk: Walk, node: ast.Call) -> None:
    name = node.args[0] if node.args else None
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        if name.value == "__main__":
            walk.note("opaque", "opaque", "opaque `__main__`", node)
        elif not name.value.startswith("."):
            walk.facts.modules.add(name.value)
    elif isinstance(name, ast.Name) and name.id == "__name__":
        walk.note("opaque", "opaque", "opaque `__main__`", node)
