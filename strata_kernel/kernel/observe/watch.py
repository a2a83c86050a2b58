"""Joins observation and process state to the engine's port."""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path
from typing import Any

from strata_kernel.ports import Observed


class Watch:
    """Interim."""

    def __init__(self, world: Any, ignored: list[Path]) -> None:
        self.world = world
        self.start_state = random.getstate()

    def exempt(self) -> None:
        """Mark this thread as not the user's."""

    def start(self, namespace: dict[str, Any]) -> None:
        self.before = random.getstate()
        self.modules = set(sys.modules)

    def stop(self) -> Observed:
        after = random.getstate()
        hidden = {}
        drawn = set()
        if after != self.before:
            hidden["rng:random"] = pickle.dumps(after)
            drawn.add("rng:random")
        return Observed(hidden=hidden, drawn=frozenset(drawn))

    def apply(self, unit: str, state: bytes | None) -> None:
        if unit == "rng:random":
            random.setstate(pickle.loads(state) if state else self.start_state)
