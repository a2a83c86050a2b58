"""Runs notebooks headless: from the store alone when every cell hits, else through nbclient and the kernel."""

from strata_kernel.domain.report import RunReport
from strata_kernel.runner.runner import KernelPool, Runner

__all__ = ["KernelPool", "RunReport", "Runner"]
