"""The line magic `%strata`: what was decided of a cell and why, without touching anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strata_kernel.kernel.bridge import Bridge

USAGE = """%strata why [cell|name]   explain the last decision on a cell (its id, label or place; default: the one run before)
%strata status            the state of every cell
%strata refresh [cell]    run the cell anew the next time it is run, whatever is cached"""


class StrataMagic:
    """Bound to one kernel's bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def register(self, shell: Any) -> None:
        """Make `%strata` known to the shell."""
        shell.register_magic_function(self, "line", "strata")

    #: IPython shows it for `%strata?`.
    __doc__ = USAGE
    __name__ = "strata"

    def __call__(self, line: str) -> None:
        """Print the answer."""
        print(self.answer(line.split()))

    def answer(self, words: list[str]) -> str:
        """Return the answer to the words behind `%strata`."""
        verb, target = (words[0] if words else ""), " ".join(words[1:])
        match verb:
            case "status":
                return self._bridge.view.table()
            case "why" | "refresh":
                target = target or self._bridge.recent
                entry = self._bridge.view.find(target) if target else None
                if entry is None:
                    return f"no cell or name {target!r} here" if target else "no cell has run yet"
                if verb == "why":
                    return self._bridge.view.why(entry)
                self._bridge.refresh.add(entry.reading.cell.id)
                return f"cell {entry.reading.label} will run anew the next time"
            case _:
                return USAGE
