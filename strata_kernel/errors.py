"""The exceptions that Strata raises on purpose.

StrataError
├── InvocationError      a path, a notebook, a kernel or a setting is wrong: exit code 2
├── StoreError           the artifact store cannot be read or written: a miss and one warning
│   └── TrustError       a manifest is not signed by this user: a miss
├── CodecError           a value cannot be saved, or a saved one cannot be loaded
├── Declined             the user did not want the cells above to run
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


class CodecError(StrataError):
    """A value has no exact stored form, or a stored form does not load."""

    def __init__(self, reason: str, *, code: str = "unpicklable") -> None:
        super().__init__(reason)
        self.code = code


class Declined(StrataError):
    """The user was asked whether stale cells above may run, and said no."""


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
