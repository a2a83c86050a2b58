"""What code that travels inside a value can touch when it is called later."""

from __future__ import annotations

import dis
import re
from functools import lru_cache
from types import CodeType

from strata_kernel.domain.manifest import Reach

_GLOBAL = frozenset({"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME", "DELETE_NAME",
                     "LOAD_FROM_DICT_OR_GLOBALS"})  # fmt: skip
_OPAQUE = frozenset({"eval", "exec", "globals", "locals", "vars", "dir", "get_ipython", "__main__"})
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_LONGEST = 1 << 16


class Reached:
    """Collects over one encoding; `frozen` is the record that the manifest keeps."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.mentions: set[str] = set()
        self.definitions: set[tuple[str, str]] = set()
        self.modules: set[str] = set()
        self.opaque = False

    def code(self, code: CodeType) -> None:
        """Add the globals and the string constants of a code object and of those nested in it."""
        names, mentions, opaque, modules = code_reach(code)
        self.modules |= modules
        self.names |= names
        self.mentions |= mentions
        self.opaque |= opaque

    def frozen(self) -> Reach:
        """Return the record, in a fixed order."""
        return Reach(
            names=tuple(sorted(self.names)),
            mentions=tuple(sorted(self.mentions)),
            definitions=tuple(sorted(self.definitions)),
            opaque=self.opaque,
            modules=tuple(sorted(self.modules)),
        )


@lru_cache(maxsize=2048)
def code_reach(code: CodeType) -> tuple[frozenset[str], frozenset[str], bool, frozenset[str]]:
    """Return the globals loaded or stored, the identifiers in string constants, whether it may reach anything, and
    the modules that it may import.
    """
    names: set[str] = set()
    modules: set[str] = set()
    mentions: set[str] = set()
    opaque, package = False, ""
    instructions = list(dis.get_instructions(code))
    for position, instruction in enumerate(instructions):
        operation, argument = instruction.opname, instruction.argval
        if operation in _GLOBAL:
            names.add(argument)
        elif operation in ("IMPORT_NAME", "IMPORT_FROM"):
            opaque |= argument == "__main__"
            # What is imported from a module may be one.
            package = argument if operation == "IMPORT_NAME" else package
            modules.add(argument if operation == "IMPORT_NAME" else f"{package}.{argument}")
        elif instruction.opcode in dis.hasconst and operation != "KW_NAMES":
            # Names of keyword arguments are constants too, but they name parameters, not variables.
            following = instructions[position + 1].opname if position + 1 < len(instructions) else ""
            if following not in ("CALL_KW", "CALL_FUNCTION_EX_KW"):
                _mention(argument, mentions)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = code_reach(constant)
            names |= inner[0]
            mentions |= inner[1]
            opaque |= inner[2]
            modules |= inner[3]
    return frozenset(names), frozenset(mentions), opaque or not names.isdisjoint(_OPAQUE), frozenset(modules)


def _mention(constant: object, mentions: set[str]) -> None:
    if isinstance(constant, str):
        mentions.update(_IDENTIFIER.findall(constant[:_LONGEST]))
    elif isinstance(constant, (tuple, frozenset)):
        for item in constant:
            _mention(item, mentions)
