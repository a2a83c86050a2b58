"""`strata cache`: look at the store, check it, or make room."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import msgspec

from strata_kernel.cli.report import json_line, print_diagnostics, seconds, size
from strata_kernel.errors import InvocationError
from strata_kernel.settings import Settings, load_settings
from strata_kernel.store import open_store
from strata_kernel.store.local import LocalStore


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    stats = commands.add_parser("stats", help="count what is there")
    ls = commands.add_parser("ls", help="list what is there, least recently used first")
    gc = commands.add_parser("gc", help="remove what was not used for longest, and what nothing names")
    gc.add_argument("--max-bytes", type=int, metavar="N", help="size to come down to; the settings' when left out")
    verify = commands.add_parser("verify", help="hash and check everything; exit code 1 when something is wrong")
    verify.add_argument("--repair", action="store_true", help="remove what is wrong")
    clear = commands.add_parser("clear", help="remove everything")
    for command in (stats, ls, gc, verify, clear):
        command.add_argument("--store", metavar="PATH", help="another store than the settings'")
        command.add_argument("--format", choices=("human", "json"), default="human")


def execute(options: argparse.Namespace) -> int:
    """Open the store and do one thing with it; raise StoreError when it cannot be read."""
    flags = {"cache": {"store": options.store}} if options.store else None
    settings, found = load_settings(Path.cwd(), os.environ, flags=flags)
    if unreadable := [d for d in found if d.code == "settings_unreadable"]:
        raise InvocationError(unreadable[0].message)
    print_diagnostics(found)
    store = open_store(Path(settings.cache.store)).local
    verbs = {"stats": _stats, "ls": _ls, "gc": _gc, "verify": _verify, "clear": _clear}
    return verbs[options.verb](store, settings, options)


def _stats(store: LocalStore, settings: Settings, options: argparse.Namespace) -> int:
    found = store.stats()
    if options.format == "json":
        print(json_line({"store": str(store.path), **msgspec.to_builtins(found)}))
        return 0
    limit = size(settings.cache.max_bytes)
    print(f"store      {store.path}")
    print(f"results    {found.manifests} of {found.programs} cells, {size(found.manifest_bytes)}")
    print(f"values     {found.blobs} blobs, {size(found.blob_bytes)} of at most {limit}")
    print(f"held       {found.pins} pins, {found.leases} leases")
    if found.temporary_bytes:
        print(f"temporary  {size(found.temporary_bytes)}")
    return 0


def _ls(store: LocalStore, settings: Settings, options: argparse.Namespace) -> int:
    now = time.time()
    for entry in store.ls():
        manifest = entry.manifest
        names = sorted(name for unit in manifest.units for name in unit.names if ":" not in name)
        if options.format == "json":
            record = {
                "program": manifest.program,
                "key": manifest.key,
                "size": entry.size,
                "used": entry.used,
                "pinned": entry.pinned,
                "seconds": manifest.seconds,
                "names": names,
            }
            print(json_line(record))
        else:
            first = next(iter(manifest.source.strip().splitlines()), "")
            note = " pinned" if entry.pinned else ""
            age = seconds(max(now - entry.used, 0.0))
            took = seconds(manifest.seconds)
            print(f"{manifest.key[:12]}  {size(entry.size):>9}  {age:>11} ago  took {took:>8}{note}  {first[:60]}")
    return 0


def _gc(store: LocalStore, settings: Settings, options: argparse.Namespace) -> int:
    from strata_kernel.store.gc import collect

    limit = settings.cache.max_bytes if options.max_bytes is None else options.max_bytes
    if limit < 0:
        raise InvocationError("--max-bytes must not be negative")
    done = collect(store, limit)
    if options.format == "json":
        print(json_line(done))
    else:
        print(f"removed {done.manifests} results and {done.blobs} blobs, {size(done.freed)}")
        print(f"kept {done.kept_manifests} results, {size(done.kept_bytes)}")
    return 0


def _verify(store: LocalStore, settings: Settings, options: argparse.Namespace) -> int:
    problems = store.verify(repair=options.repair)
    for problem in problems:
        if options.format == "json":
            print(json_line(problem))
        else:
            print(f"{problem.kind}: {problem.path}: {problem.text}" + (" (removed)" if problem.removed else ""))
    if options.format == "human" and not problems:
        print("everything is sound")
    return 1 if problems else 0


def _clear(store: LocalStore, settings: Settings, options: argparse.Namespace) -> int:
    freed = store.clear()
    print(json_line({"freed": freed}) if options.format == "json" else f"freed {size(freed)}")
    return 0
