"""A large frame that grows by a column in each of ten cells: every byte is stored once."""

from __future__ import annotations

from benchmarks.bench import Figure, environment, notebook, stored_bytes, strata_run, timed, workplace

COLUMNS = 10


def columns(quick: bool) -> list[Figure]:
    """Compare what the store takes with the bytes that differ."""
    rows = 1_000_000 // (8 if quick else 1)
    first = (
        "import numpy as np\nimport pandas as pd\n"
        f"values = np.random.default_rng(0).standard_normal(({rows}, 32))\n"
        "frame = pd.DataFrame(values, columns=[f'c{i}' for i in range(32)])\n"
        "del values"
    )
    cells = [first, *(f"frame['new{i}'] = np.sin(frame['c{i}']) * {i + 1}" for i in range(COLUMNS))]
    with workplace() as folder:
        env = environment(folder / "store", STRATA_CACHE_MIN_RUNTIME_MS="0")
        timed(strata_run(notebook(folder / "grow.ipynb", cells)), env, folder)
        stored = stored_bytes(folder / "store")
    unique = rows * 8 * (32 + COLUMNS)
    note = f"{stored / 1e6:.0f} MB for {unique / 1e6:.0f} MB"
    size = "32 MB" if quick else "256 MB"
    if stored < unique * 0.99:
        raise RuntimeError(f"the store lacks values: {note}")
    return [
        Figure(
            f"stored bytes when a {size} frame gets {COLUMNS} columns, against unique bytes",
            stored / unique,
            1.1,
            "×",
            note,
        )
    ]
