"""What one encoding notes beside its stream: memory it saw, code it can reach, objects that need a second look."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple

from strata_kernel.codecs.reach import Reached
from strata_kernel.codecs.source import Definitions

#: Keys of spans: memory that anybody may write, and memory that nobody writes who has it from there.
PLAIN, FIXED = 0, -1


class Span(NamedTuple):
    """The memory [low, high) of one array. `key` tells who guards it: PLAIN, FIXED, or a copy-on-write family.

    `windowable`: the array can be rebuilt as a window into a larger region.
    """

    low: int
    high: int
    key: int
    windowable: bool


class Region:
    """A stretch of memory that several arrays share; it is encoded once and they become windows into it."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.bytes: Any = None


class Trace:
    """The notes of one encoding; the reducers write them."""

    def __init__(self, definitions: Definitions, regions: Iterable[Region] = ()) -> None:
        self.definitions = definitions
        self.reach = Reached()
        self.spans: list[Span] = []
        self.regions = sorted(regions, key=lambda region: region.low)
        self._starts = [region.low for region in self.regions]
        self.guards: list[int] = []
        #: Extension arrays by identity: met inside a frame or an index only, or in the open.
        self.inside: set[int] = set()
        #: Mutable objects of other kinds whose memory an array shows.
        self.owners: dict[int, Any] = {}
        self.tokens: dict[Any, Any] = {}
        #: The class whose own state is being encoded: its functions go by value.
        self.owner: object = None

    def span(self, low: int, high: int, windowable: bool = True, fixed: bool = False) -> None:
        """Note memory that a value shows; `fixed`: nobody can write it through the value."""
        key = FIXED if fixed else self.guards[-1] if self.guards else PLAIN
        self.spans.append(Span(low, high, key, windowable))

    def region(self, low: int) -> Region | None:
        """Return the shared region that holds the address."""
        position = bisect_right(self._starts, low) - 1
        if position >= 0 and low < self.regions[position].high:
            return self.regions[position]
        return None


def components(spans: Iterable[tuple[Span, Any]]) -> Iterable[list[tuple[Span, Any]]]:
    """Yield the groups of two or more spans that hang together by overlapping."""
    current: list[tuple[Span, Any]] = []
    high = -1
    for span, tag in sorted(spans, key=lambda item: item[0].low):
        if span.low >= high and current:
            if len(current) > 1:
                yield current
            current = []
            high = -1
        current.append((span, tag))
        high = max(high, span.high)
    if len(current) > 1:
        yield current


def guarded(spans: Iterable[Span]) -> bool:
    """Tell that the overlap is no aliasing: one copy-on-write family, or only memory that nobody writes."""
    keys = {span.key for span in spans}
    return len(keys) == 1 and PLAIN not in keys
