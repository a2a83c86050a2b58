"""Notebooks on disk, run headless with a store of their own."""

import json

import pytest

from strata_kernel.runner import KernelPool, Runner


class Headless:
    """One notebook in one folder; `run` gives each cell's status, and `kernels` counts those that were started."""

    def __init__(self, folder, pool):
        self.path, self.pool = folder / "notebook.ipynb", pool

    def write(self, metadata=None, **cells):
        listed = [
            {"cell_type": "code", "id": i, "source": s, "outputs": [], "metadata": {}, "execution_count": None}
            for i, s in cells.items()
        ]
        content = {"cells": listed, "metadata": {"strata": metadata or {}}, "nbformat": 4, "nbformat_minor": 5}
        self.path.write_text(json.dumps(content))

    def run(self, metadata=None, output=None, **cells):
        if cells:
            self.write(metadata, **cells)
        report = Runner(kernel_pool=self.pool).run(self.path, output=output)
        return {r.cell_id: r for r in report.cell_results}

    def statuses(self, **cells):
        return {i: r.status for i, r in self.run(**cells).items()}

    def why(self, cell):
        return Runner(kernel_pool=self.pool).why(self.path, cell).text

    @property
    def started(self):
        return self.pool._pool is not None


@pytest.fixture
def headless(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATA_CACHE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("STRATA_CACHE_MIN_RUNTIME_MS", "0")
    pool = KernelPool()
    yield Headless(tmp_path, pool)
    pool.close()
