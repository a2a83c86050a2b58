"""Facts about environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from strata_kernel.domain.digest import digest
from strata_kernel.domain.manifest import Fact

_VOLATILE = frozenset({
    "COLUMNS", "LINES", "COLORTERM", "FORCE_COLOR", "NO_COLOR", "PAGER", "GIT_PAGER", "LESS", "MPLBACKEND", "DISPLAY",
    "WAYLAND_DISPLAY", "SHLVL", "OLDPWD", "PWD", "_", "PYTHONHASHSEED", "WINDOWID", "STY", "INVOCATION_ID",
    "JOURNAL_STREAM", "XDG_RUNTIME_DIR", "IPYTHONDIR", "PS1", "PS2", "KERNEL_ID",
})  # fmt: skip
_VOLATILE_PREFIXES = (
    "JPY_", "JUPYTER_", "STRATA_", "TERM", "CLICOLOR", "PYDEVD", "DEBUGPY", "SSH_", "PYTEST", "XDG_SESSION",
    "DBUS_", "VSCODE_", "TMUX", "GPG_", "SYSTEMD_", "KERNEL_",
)  # fmt: skip


def is_volatile(name: str) -> bool:
    """Tell whether a variable says how the kernel was started and not what a program should compute."""
    return name in _VOLATILE or name.startswith(_VOLATILE_PREFIXES)


def observe_env(name: str, value: str | None) -> Fact:
    """Return the fact that the variable has this value, None for unset."""
    return Fact("env", name, "" if value is None else digest("env", value))


class Environment:
    """The environment that a fresh kernel would start with."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def observe(self, name: str) -> Fact:
        """Return the fact about the variable."""
        return observe_env(name, self._variables.get(name))
