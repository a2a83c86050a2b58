"""Many cases in parallel: the one path of the test run and of the long run."""

import collections
import multiprocessing
import queue
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings

from . import report
from .play import Bench
from .programs import seeded
from .shrink import shrink


def work(number, count, start, options, results):
    """Draw and play cases in one process; every case is put into results as it ends."""
    with Bench(options["kernel"], options["tolerate"]) as bench:

        @seed(start + number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(seeded)
        def one(case):
            began = time.monotonic()
            try:
                played = bench.play(case, options["mode"])
                fault = played.faults[0] if played.faults else None
                if fault and options["shrink"] and fault.law not in ("kernel died", "shutdown"):
                    case, fault = shrink(case, fault, lambda c: bench.play(c, options["mode"]), options["shrink"])
                counts = (played.checks, played.executed, played.hits, len(played.missed), played.undecided)
                results.put(("case", case, fault, counts, time.monotonic() - began))
            except Exception:
                results.put(("broken", case, traceback.format_exc(), (0, 0, 0, 0, 0), time.monotonic() - began))

        one()
    results.put(("end", None, None, None, 0))


def campaign(
    programs=150,
    jobs=2,
    kernel="strata",
    start=0,
    tolerate=(),
    mode="",
    shrink_seconds=30,
    stop_after=25,
    budget=None,
    out=None,
):
    """Play many cases in parallel; return the list of (case, fault) that failed and the counters."""
    context = multiprocessing.get_context("spawn")
    results, failed, totals, began, running = context.Queue(), [], collections.Counter(), time.monotonic(), jobs
    options = {"kernel": kernel, "tolerate": tuple(tolerate), "mode": mode, "shrink": shrink_seconds}
    share = [programs // jobs + (k < programs % jobs) for k in range(jobs)]
    workers = [context.Process(target=work, args=(k, share[k], start * 1000, options, results)) for k in range(jobs)]
    for worker in workers:
        worker.start()
    print(f"laws: {programs} programs, {jobs} jobs, kernel {kernel}, seed {start}", flush=True)
    try:
        while running:
            try:
                kind, case, fault, counts, _ = results.get(timeout=10)
            except queue.Empty:
                if not any(w.is_alive() for w in workers):
                    raise RuntimeError("the processes of the campaign died") from None
                continue
            if kind == "end":
                running -= 1
                continue
            totals.update(
                dict(zip(("checks", "executed", "hits", "missed", "undecided"), counts, strict=True)), programs=1
            )
            if fault:
                failed.append((case, fault))
                told = fault if kind == "broken" else report.told(case, fault)
                print(f"--- divergence {len(failed)} ---\n{told}", flush=True)
                if out and kind == "case":
                    out.mkdir(parents=True, exist_ok=True)
                    (out / f"case-{start}-{len(failed)}.json").write_text(report.saved(case, fault))
            if totals["programs"] % 50 == 0:
                print(
                    f"{totals['programs']}/{programs} in {time.monotonic() - began:.0f} s: {len(failed)} divergences, {dict(totals)}",
                    flush=True,
                )
            if len(failed) >= stop_after or (budget and time.monotonic() - began > budget):
                break
    finally:
        for worker in workers:
            if running and worker.is_alive():
                worker.terminate()
            worker.join(30)
    print(
        f"{totals['programs']} programs, {len(failed)} divergences in {time.monotonic() - began:.0f} s: {dict(totals)}",
        flush=True,
    )
    return failed, totals
