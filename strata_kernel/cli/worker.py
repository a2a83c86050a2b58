"""`strata worker`: run cells for kernels elsewhere."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from strata_kernel.errors import InvocationError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--token-env", metavar="NAME", help="variable that holds the token which callers must send")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="cells at the same time")
    parser.add_argument("--max-input-bytes", type=int, default=2 << 30, metavar="N", help="limit of one request's body")
    parser.add_argument("--memory-bytes", type=int, default=0, metavar="N", help="limit of one cell's address space")
    parser.add_argument(
        "--store-bytes", type=int, default=20_000_000_000, metavar="N", help="values that stay for cells to come"
    )
    parser.add_argument("--timeout", type=float, default=86400.0, metavar="S", help="limit for cells that have none")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="folder for everything that it writes")


def execute(options: argparse.Namespace) -> int:
    """Work until told to end."""
    from strata_kernel.worker.running import run
    from strata_kernel.worker.runs import Options

    token = ""
    if options.token_env:
        token = os.environ.pop(options.token_env, "")  # cells must not see it
        if not token:
            raise InvocationError(f"the variable {options.token_env} is empty or not set")
    if options.concurrency < 1:
        raise InvocationError("--concurrency must be at least 1")
    work = options.work_dir
    if work is None:
        import platformdirs

        work = Path(platformdirs.user_cache_dir("strata", appauthor=False)) / "worker"
    run(
        Options(
            work=work.absolute(),
            token=token,
            concurrency=options.concurrency,
            max_input_bytes=options.max_input_bytes,
            memory=options.memory_bytes,
            store_bytes=options.store_bytes,
            timeout=options.timeout,
        ),
        options.host,
        options.port,
    )
    return 0
