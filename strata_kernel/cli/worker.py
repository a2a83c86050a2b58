"""`strata worker`: run cells for kernels elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import NoReturn

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
    parser.add_argument(
        "--protocol", choices=("v1", "v2"), help="speak only the published protocol (v1) or only Strata's own (v2)"
    )
    parser.add_argument(
        "--allow-hosts",
        default="",
        metavar="A,B",
        help="hosts on private addresses that signed addresses may name; `.lan` means all below it",
    )
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="folder for everything that it writes")
    parser.add_argument(
        "--sync",
        type=Path,
        metavar="PATH",
        help="work in the environment that a lock describes, made by uv: a project, a folder, a notebook, "
        "a requirements.txt or a pylock.toml",
    )


def execute(options: argparse.Namespace) -> int:
    """Work until told to end; with `--sync`, as another process that takes the place of this one."""
    from strata_kernel.worker.running import addresses, run
    from strata_kernel.worker.runs import PROTOCOLS, Options

    token = ""
    if options.token_env:
        token = os.environ.get(options.token_env, "")
        if not token:
            raise InvocationError(f"the variable {options.token_env} is empty or not set")
    if options.concurrency < 1:
        raise InvocationError("--concurrency must be at least 1")
    work = options.work_dir
    if work is None:
        import platformdirs

        work = Path(platformdirs.user_cache_dir("strata", appauthor=False)) / "worker"
    if options.sync is not None:
        addresses(options.host, options.port, token)  # what is wrong is told before all the work
        _start_anew(options, work.absolute())
    _forget(options.token_env or "")
    run(
        Options(
            work=work.absolute(),
            token=token,
            concurrency=options.concurrency,
            max_input_bytes=options.max_input_bytes,
            memory=options.memory_bytes,
            store_bytes=options.store_bytes,
            timeout=options.timeout,
            hosts=frozenset(host.strip().lower() for host in options.allow_hosts.split(",") if host.strip()),
            protocols=(options.protocol,) if options.protocol else PROTOCOLS,
        ),
        options.host,
        options.port,
    )
    return 0


def _forget(name: str) -> None:
    """Take a variable out of the environment, also where the system shows it of this process: cells must not see it."""
    import ctypes

    value = os.environ.get(name)
    if value is None:
        return
    with contextlib.suppress(OSError, AttributeError):  # no C library to ask
        getenv = ctypes.CDLL(None).getenv
        getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
        if address := getenv(os.fsencode(name)):
            ctypes.memset(address, 0, len(os.fsencode(value)))
    del os.environ[name]


def _start_anew(options: argparse.Namespace, work: Path) -> NoReturn:
    """Become the same worker in the environment of a lock."""
    from strata_kernel.worker.running import log_lines
    from strata_kernel.worker.syncing import FOREIGN, synced

    log_lines()
    python = str(synced(options.sync, work))
    words = [f"--{name.replace('_', '-')}={value}" for name, value in vars(options).items() if value is not None]
    words = [word for word in words if not word.startswith("--sync=")]
    environ = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    sys.stdout.flush()
    # `-P`: what lies in the folder where the worker is started is no part of the environment.
    os.execve(python, [python, "-P", "-m", "strata_kernel.cli", "worker", *words], environ)
