"""Large values from the store until their first use, against numpy's own memory map."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.bench import Figure, interleaved, workplace
from strata_kernel.codecs.values import LiveValues
from strata_kernel.domain.manifest import Artifact
from strata_kernel.store import LocalStore


def restore(quick: bool) -> list[Figure]:
    """Save an array and a frame; load each again and again, each time as a new process would find the store."""
    rows = 1_000_000 // (8 if quick else 1)
    array = np.random.default_rng(0).standard_normal((rows, 32))
    frame = pd.DataFrame(array[:, :16].copy(), columns=[f"c{i}" for i in range(16)])
    names = ("256 MB array", "128 MB frame") if not quick else ("32 MB array", "16 MB frame")
    with workplace() as folder:
        return [
            compare(folder, names[0], array, array, lambda value: value[5, 5]),
            compare(folder, names[1], frame, frame.to_numpy(), lambda value: value.iat[5, 5]),
        ]


def compare(folder: Path, name: str, value: object, plain: np.ndarray, use: Callable[[object], object]) -> Figure:
    """Return how many times longer the value takes than numpy's map of an array of the same size."""
    saved = folder / "plain.npy"
    np.save(saved, plain)
    artifact = save(LocalStore(folder / "store"), value)
    expected = use(value)

    def ours() -> float:
        # A new store knows nothing yet of what this process has proved before.
        store, values = LocalStore(folder / "store"), LiveValues({})
        store.trust.secret()
        start = time.perf_counter()
        found = values.load(artifact, ("value",), store)["value"]
        assert use(found) == expected
        return time.perf_counter() - start

    def theirs() -> float:
        start = time.perf_counter()
        assert np.load(saved, mmap_mode="c")[5, 5] == expected
        return time.perf_counter() - start

    interleaved(3, ours, theirs)
    mine, numpys = interleaved(41, ours, theirs)
    note = f"{mine * 1000:.2f} ms against {numpys * 1000:.2f} ms"
    return Figure(f'{name} restored until first use, against `numpy.load(mmap_mode="c")`', mine / numpys, 2, "×", note)


def save(store: LocalStore, value: object) -> Artifact:
    """Store a value as the publisher does."""
    (group,) = LiveValues({}).group({"value": value})
    if group.reason is not None:
        raise RuntimeError(group.reason.text)
    return Artifact("pickle", store.put([group.stream]), tuple(store.put([b]) for b in group.buffers))
