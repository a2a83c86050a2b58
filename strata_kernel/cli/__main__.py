"""The entry point `strata`: it picks the command, and turns every failure into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "run": "run a notebook, or all notebooks of a folder, and serve from the cache what has not changed",
    "why": "explain why a cell would be served or run",
    "status": "show how every cell of a notebook stands, without running any",
    "dag": "print the graph of a notebook's cells",
    "compare": "show the variants of a group side by side",
    "validate": "check a notebook's directives and settings",
    "cache": "look at the store, check it, or make room",
    "worker": "run cells for kernels on other machines",
    "kernel": "register the kernel of this environment",
}

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 all succeeded, 1 a cell failed, 2 the invocation was wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # argparse has said what was wrong
        return stop.code if isinstance(stop.code, int) else OK
    except KeyboardInterrupt:
        print("strata: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # the one place of the command line where all failures become a line
        return _explain(error)


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        command = import_module(f"strata_kernel.cli.{name}")
        parser = argparse.ArgumentParser(prog=f"strata {name}", description=_sentence(COMMANDS[name]))
        command.configure(parser)
        return int(command.execute(parser.parse_args(arguments[1:])))
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="strata",
        usage="strata COMMAND [options]",
        description="Notebooks that rerun only what changed.",
        epilog="\n".join(["commands:", *lines, "", "strata COMMAND --help tells more."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.version:
        import strata_kernel

        print(f"strata {strata_kernel.__version__}")
    elif chosen.command is not None:
        from strata_kernel.domain.diagnostic import nearest

        guess = nearest(chosen.command, COMMANDS)
        parser.error(f"unknown command {chosen.command!r}" + (f"; did you mean {guess}?" if guess else ""))
    else:
        parser.print_help()
        return OK if arguments else WRONG
    return OK


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _explain(error: Exception) -> int:
    from strata_kernel.errors import InvocationError, StoreError

    if os.environ.get("STRATA_DEBUG"):
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if not isinstance(error, (InvocationError, StoreError)):
        text = f"unexpected {type(error).__name__}: {text} (STRATA_DEBUG=1 shows where)"
    print(f"strata: {text}", file=sys.stderr)
    return WRONG


if __name__ == "__main__":
    sys.exit(main())
