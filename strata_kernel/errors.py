"""The exceptions that Strata raises on purpose.

StrataError
├── InvocationError      a path, a notebook, a kernel or a setting is wrong: exit code 2
├── StoreError           the artifact store cannot be read or written: a miss and one warning
│   ├── TrustError       a manifest is not signed by this user: a miss
│   └── ClearedError     what a manifest names was cleared away before it was published: a miss
├── CodecError           a value cannot be saved, or a saved one cannot be loaded
├── LeftOut              the cell is a variant that is not active: it is no part of the notebook now
├── Declined             the user did not want the cells above to run
├── CellError            a cell that is not Python cannot be answered: its text names the cause and the cure
│   └── MountError       a mount cannot be reached, is no good, or changed under the cell
├── WorkerError          a cell could not be run on its worker; `code` says what kind of trouble
└── CellFailed           the user's code raised while a cell was run on behalf of another
"""

from __future__ import annotations


class StrataError(Exception):
    """The base of all of them; its text is one line that names the cause and, where there is one, the cure."""


class InvocationError(StrataError):
    """What the caller asked for cannot be done as asked."""


class StoreError(StrataError):
    """The artifact store refused; the caller treats it as a miss and says so once."""


class TrustError(StoreError):
    """A manifest carries no valid signature of this user."""


class ClearedError(StoreError):
    """A manifest names a blob that is no longer in the store: somebody made room in between."""


class CodecError(StrataError):
    """A value has no exact stored form, or a stored form does not load."""

    def __init__(self, reason: str, *, code: str = "unpicklable") -> None:
        super().__init__(reason)
        self.code = code


class LeftOut(StrataError):
    """The cell is one of several in one place, and not the one that stands."""


class Declined(StrataError):
    """The user was asked whether stale cells above may run, and said no."""


class CellError(StrataError):
    """A cell of another kind than Python cannot be answered."""

    def _render_traceback_(self) -> list[str]:
        # What IPython shows of it: the way through our code is of no use to anyone.
        return [f"\x1b[31m{type(self).__name__}\x1b[39m: {self}"]


class MountError(CellError, OSError):
    """What a mount's path stands for cannot be had: its text names the address, the cause and the cure."""


class WorkerError(StrataError):
    """A worker cannot run the cell: unknown, unreachable, unauthorised, too large, timeout, died, travel, version."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class CellFailed(StrataError):
    """A cell that another one needs raised; carries the cell and the exception's name and text."""

    def __init__(self, cell_id: str, ename: str, evalue: str) -> None:
        super().__init__(f"cell {cell_id} failed: {ename}: {evalue}")
        self.cell_id, self.ename, self.evalue = cell_id, ename, evalue
