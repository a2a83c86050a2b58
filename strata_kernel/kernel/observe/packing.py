"""Pickles of process state: equal values give equal bytes, and a fresh process can load them."""

from __future__ import annotations

import pickle
from types import FunctionType
from typing import IO, Any


class Packer(pickle.Pickler):
    """Refuses what a fresh process would look for in the notebook."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__(out, protocol=5)
        # Without the memo, equal values give equal bytes whether or not they share parts; states are trees.
        self.fast = True

    def reducer_override(self, obj: Any) -> Any:
        """Refuse classes and functions of the notebook, leave the rest to pickle."""
        if getattr(obj, "__module__", None) == "__main__" and isinstance(obj, type | FunctionType):
            raise pickle.PicklingError(f"{obj!r} is defined in the notebook")
        return NotImplemented
