"""Run an example cold, then warm, then with one cell edited, and print the three times: `python examples/tour.py`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
NOTEBOOK = HERE / "digits_classification.ipynb"
#: The cell that the tour edits: its id, what stands there, and what comes in its place.
CELL, OLD, NEW = "learning", "np.linspace(0.1, 1.0, 5)", "np.linspace(0.2, 1.0, 4)"


def main() -> int:
    """Make the three runs in a copy of the notebook and a store that go away afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="show a line for each cell of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-tour-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / NOTEBOOK.name
        path.write_bytes(NOTEBOOK.read_bytes())
        env = {**os.environ, "STRATA_CACHE_STORE": str(Path(folder) / "store")}
        print(f"{NOTEBOOK.name}, three times\n", flush=True)
        found = [play("cold", "nothing is known yet", path, env, options.verbose)]
        found.append(play("warm", "nothing has changed", path, env, options.verbose))
        edit(path)
        found.append(play("edited", f"cell `{CELL}` has other numbers", path, env, options.verbose))
    return max(found)


def play(name: str, why: str, path: Path, env: dict[str, str], verbose: bool) -> int:
    """Run the notebook once, print how long the whole process took and what became of its cells; return its status."""
    command = [sys.executable, "-m", "strata_kernel.cli", "run", str(path), "--format", "json"]
    start = time.perf_counter()
    # Elsewhere than in the checkout, so that what is installed runs and not what lies here.
    done = subprocess.run(command, env=env, cwd=path.parent, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    records = [json.loads(line) for line in done.stdout.splitlines()]
    cells = [record for record in records if record["type"] == "cell"]
    ran = [cell["cell_id"] for cell in cells if cell["status"] == "ok"]
    served = sum(cell["status"] == "cached" for cell in cells)
    told = f"{served} cells served" + (f", {len(ran)} run" if ran else "")
    if ran and served:
        told += f": {', '.join(ran)}"
    print(f"  {name:8}{seconds:7.2f} s   {told}   ({why})", flush=True)
    for cell in cells:
        if verbose or cell["status"] == "error":
            print(f"      {cell['cell_id']:18}{cell['status']:8}{cell['duration_ms'] / 1000:8.2f} s")
        if cell["error"]:
            print("      " + f"{cell['error']['ename']}: {cell['error']['evalue']}")
    return done.returncode


def edit(path: Path) -> None:
    """Change one cell of the notebook, as a person would."""
    content = json.loads(path.read_text(encoding="utf-8"))
    cell = next(cell for cell in content["cells"] if cell["id"] == CELL)
    source = "".join(cell["source"])
    if OLD not in source:
        raise SystemExit(f"the cell {CELL} of {path.name} is not what the tour expects")
    cell["source"] = source.replace(OLD, NEW)
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
