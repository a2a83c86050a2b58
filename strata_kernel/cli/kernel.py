"""`strata kernel install`: register the kernel of this environment where Jupyter of any environment finds it."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    install = commands.add_parser("install", help="write the kernelspec with this interpreter in it")
    where = install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user, in every environment")
    where.add_argument("--prefix", metavar="P", help="into this prefix; this environment's when left out")
    install.add_argument("--name", metavar="N", default="strata", help="name of the kernelspec (default: strata)")


def execute(options: argparse.Namespace) -> int:
    """Register the kernel and say where."""
    from strata_kernel.kernel.install import install

    place = install(options.name, user=options.user, prefix=options.prefix)
    print(f"registered the kernel {options.name!r} in {place}")
    return 0
