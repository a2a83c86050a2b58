"""Runs a cell in another place and takes its record as if it had been found in the store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from strata_kernel.cells.kind import Reading
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.state import State, advance
from strata_kernel.engine.journey import Journey
from strata_kernel.engine.lookup import NOT_PUBLISHED
from strata_kernel.engine.pipeline import Completed, Failed, Outcome
from strata_kernel.engine.session import Entry

if TYPE_CHECKING:
    from strata_kernel.engine.pipeline import Pipeline


async def send(pipeline: Pipeline, reading: Reading, state: State, audience: str) -> Outcome:
    """Let the cell's worker run it after the state; what the worker cannot do is how the cell fails."""
    session, resolver, cell = pipeline.session, pipeline.resolver, reading.cell
    resolver.runs(cell.id)
    try:
        journey = Journey(session, resolver, pipeline.publisher, reading, state)
        tell = partial(pipeline.listen, cell.id)
        away = await pipeline.host.relay(cell, audience, partial(pipeline.wave.travel, journey, tell))
        if audience == "cell":
            pipeline.show(cell.id, away.outputs)
        if away.manifest is None:
            pipeline.wave.past(None)
            error = away.error or ("WorkerError", "nothing came back", [])
            reasons = (Reason("error", ": ".join(error[:2])),)
            entry = Entry(reading, state, None, state, reasons, error[:2], journey.closure)
            session.enter(entry)
            return Failed(entry, error, (), away.seconds)
        manifest = journey.adopt(away.manifest, reading.terms.worker)
        pipeline.wave.past(manifest)
        if not any(r.code in NOT_PUBLISHED for r in manifest.reasons):
            pipeline.publisher.submit(manifest, {})
        after = advance(state, manifest, cell.id)
        entry = Entry(reading, state, manifest, after, manifest.reasons, closure=journey.closure, turn=session.turn)
        session.enter(entry)
        resolver.files.restore(after)
        pipeline.arrive(after)
        return Completed(entry, manifest, manifest.reasons)
    finally:
        resolver.running.pop()
        session.look_anew()
