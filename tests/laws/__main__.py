"""The long run: python -m tests.laws --programs 5000 --jobs 2 [--kernel strata] [--seed 0] | --replay FILE…"""

import argparse
import sys
from pathlib import Path

from . import report
from .campaign import campaign
from .play import Bench
from .shrink import shrink


def replay(files, options):
    """Play saved cases again; return how many still fail."""
    bad = 0
    with Bench(options.kernel, options.tolerate) as bench:
        for file in files:
            case = report.loaded(Path(file).read_text())
            faults = bench.play(case, options.mode).faults
            if faults and options.shrink:
                case, faults[0] = shrink(case, faults[0], lambda c: bench.play(c, options.mode), options.shrink)
                file = Path(file).with_suffix(".small.json")
                file.write_text(report.saved(case, faults[0]))
            bad += bool(faults)
            print(f"{file}: {report.told(case, faults[0]) if faults else 'ok'}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kernel", default="strata")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--mode", default="", help='"fresh": a new kernel before each run of all cells (validates the suite on python3)'
    )
    parser.add_argument("--tolerate", default="", help="laws that are counted as kept, comma separated")
    parser.add_argument("--shrink", type=float, default=30, help="seconds spent on making a failing case small")
    parser.add_argument("--stop-after", type=int, default=25)
    parser.add_argument("--budget", type=float, help="seconds after which no further case is waited for")
    parser.add_argument("--out", type=Path, default=Path("laws-failures"))
    parser.add_argument("--replay", nargs="*")
    options = parser.parse_args()
    options.tolerate = [t for t in options.tolerate.split(",") if t]
    if options.replay:
        return 1 if replay(options.replay, options) else 0
    failed, _ = campaign(
        options.programs,
        options.jobs,
        options.kernel,
        options.seed,
        options.tolerate,
        options.mode,
        options.shrink,
        options.stop_after,
        options.budget,
        options.out,
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
