"""The long run: python -m tests.laws --programs 5000 --jobs 2 [--kernel strata] [--seed 0] | --replay FILE…"""
import argparse
import collections
import multiprocessing
import sys
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from . import report
from .play import Bench
from .programs import seeded
from .shrink import shrink


def work(number, count, start, options, results):
    """Draw and play cases in one process; every case is put into results as it ends."""
    with Bench(options["kernel"], options["tolerate"]) as bench:

        @seed(start + number)
        @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(seeded)
        def one(case):
            began = time.monotonic()
            try:
                played = bench.play(case, options["mode"])
                fault = played.faults[0] if played.faults else None
                if fault and options["shrink"]:
                    case, fault = shrink(case, fault, lambda c: bench.play(c, options["mode"]), options["shrink"])
                counts = (played.checks, played.executed, played.hits, len(played.missed), played.undecided)
                results.put(("case", case, fault, counts, time.monotonic() - began))
            except Exception:
                results.put(("broken", case, traceback.format_exc(), (0, 0, 0, 0, 0), time.monotonic() - began))

        one()
    results.put(("end", None, None, None, 0))


def campaign(programs=150, jobs=2, kernel="strata", start=0, tolerate=(), mode="", shrink_seconds=30, stop_after=25, budget=None, out=None):
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
            kind, case, fault, counts, _ = results.get(timeout=600)
            if kind == "end":
                running -= 1
                continue
            totals.update(dict(zip(("checks", "executed", "hits", "missed", "undecided"), counts, strict=True)), programs=1)
            if fault:
                failed.append((case, fault))
                told = fault if kind == "broken" else report.told(case, fault)
                print(f"--- divergence {len(failed)} ---\n{told}", flush=True)
                if out and kind == "case":
                    out.mkdir(parents=True, exist_ok=True)
                    (out / f"case-{start}-{len(failed)}.json").write_text(report.saved(case, fault))
            if totals["programs"] % 50 == 0:
                print(f"{totals['programs']}/{programs} in {time.monotonic() - began:.0f} s: {len(failed)} divergences, {dict(totals)}", flush=True)
            if len(failed) >= stop_after or (budget and time.monotonic() - began > budget):
                break
    finally:
        for worker in workers:
            if running and worker.is_alive():
                worker.terminate()
            worker.join(30)
    print(f"{totals['programs']} programs, {len(failed)} divergences in {time.monotonic() - began:.0f} s: {dict(totals)}", flush=True)
    return failed, totals


def replay(files, options):
    """Play saved cases again; return how many still fail."""
    bad = 0
    with Bench(options.kernel, options.tolerate) as bench:
        for file in files:
            case = report.loaded(Path(file).read_text())
            faults = bench.play(case, options.mode).faults
            bad += bool(faults)
            print(f"{file}: {report.told(case, faults[0]) if faults else 'ok'}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kernel", default="strata")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", default="", help='"fresh": a new kernel before each run of all cells (validates the suite on python3)')
    parser.add_argument("--tolerate", default="", help="laws that are counted as kept, comma separated")
    parser.add_argument("--shrink", type=float, default=30, help="seconds spent on making a failing case small")
    parser.add_argument("--stop-after", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path("laws-failures"))
    parser.add_argument("--replay", nargs="*")
    options = parser.parse_args()
    options.tolerate = [t for t in options.tolerate.split(",") if t]
    if options.replay:
        return 1 if replay(options.replay, options) else 0
    failed, _ = campaign(options.programs, options.jobs, options.kernel, options.seed, options.tolerate, options.mode, options.shrink,
                         options.stop_after, None, options.out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
