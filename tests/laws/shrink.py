"""Make a failing case small: fewer steps, then fewer cells, as long as the same law is broken."""

import time

INDEXED = {"run", "edit", "delete", "insert"}


def without_cell(case, k):
    """The case without cell k of its first document, with the positions in later steps put right; None where that cannot be said."""
    steps, place = [], k
    for step in case["steps"]:
        op, *a = step
        if place is None or op not in INDEXED | {"move"}:
            steps.append(step)
        elif op == "move":
            return None
        elif op == "insert":
            steps.append((op, a[0] - (a[0] > place), a[1]))
            place += a[0] <= place
        elif a[0] == place:
            if op == "delete":
                place = None
        else:
            steps.append((op, a[0] - (a[0] > place), *a[1:]))
            place -= op == "delete" and a[0] < place
    return {**case, "cells": case["cells"][:k] + case["cells"][k + 1 :], "steps": steps}


def without_cells(case, positions):
    """The case without several cells; None where that cannot be said or none would stay."""
    if len(positions) >= len(case["cells"]):
        return None
    for k in reversed(positions):
        case = case and without_cell(case, k)
    return case


def sizes(n):
    """Chunk sizes to try on n things, large ones first."""
    return sorted({n // 2, n // 4, 1} - {0}, reverse=True) if n > 0 else []


def is_sensible(case):
    """Tell whether every step still says what it said: that all cells hit is asked of a run that repeats one."""
    ops = [op for op, *_ in case["steps"] if op != "check"]
    return all(ops[max(0, i - 2) : i] == ["run_all", "run_all"] for i, op in enumerate(ops) if op == "all_hit")


def candidates(case, fault_step):
    """Smaller cases, the most promising first."""
    return filter(is_sensible, smaller_cases(case, fault_step))


def smaller_cases(case, fault_step):
    """All smaller cases, whether they make sense or not."""
    steps = case["steps"]
    if fault_step + 1 < len(steps):
        yield {**case, "steps": steps[: fault_step + 1]}
    for size in sizes(len(steps) - 1):
        for i in range(0, len(steps) - 1, size):
            yield {**case, "steps": steps[:i] + steps[min(i + size, len(steps) - 1) :]}
    for size in sizes(len(case["cells"]) - 1):
        for k in reversed(range(0, len(case["cells"]), size)):
            if smaller := without_cells(case, range(k, min(k + size, len(case["cells"])))):
                yield smaller
    for k, source in enumerate(case["cells"]):
        lines = source.split("\n")
        for i in range(len(lines)):
            if len(lines) > 1 and not lines[0].startswith("%%"):
                yield {
                    **case,
                    "cells": [*case["cells"][:k], "\n".join(lines[:i] + lines[i + 1 :]), *case["cells"][k + 1 :]],
                }
    for i, (op, *a) in enumerate(steps):
        if op in ("edit", "insert") and len(lines := a[1].split("\n")) > 1:
            for j in range(len(lines)):
                yield {
                    **case,
                    "steps": [*steps[:i], (op, a[0], "\n".join(lines[:j] + lines[j + 1 :])), *steps[i + 1 :]],
                }
    for path in case["files"]:
        yield {**case, "files": {k: v for k, v in case["files"].items() if k != path}}


def shrink(case, fault, play, seconds=60):
    """Return the smallest case found within the time that breaks the same law, with its fault."""
    deadline, best = time.monotonic() + seconds, (case, fault)
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for smaller in candidates(*best_of(best)):
            if time.monotonic() > deadline:
                break
            found = next((f for f in play(smaller).faults if f.law == fault.law), None)
            if found:
                best, progress = (smaller, found), True
                break
    return best


def best_of(best):
    return best[0], best[1].step
