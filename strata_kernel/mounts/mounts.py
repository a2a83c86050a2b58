"""The mounts of one process: bound to their names while a cell runs, and witness to what earlier runs saw."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from strata_kernel.domain import fingerprints
from strata_kernel.domain.cell import Reason
from strata_kernel.domain.digest import digest
from strata_kernel.domain.directive_values import Mount
from strata_kernel.domain.manifest import Fact
from strata_kernel.domain.terms import covering
from strata_kernel.errors import MountError
from strata_kernel.mounts import path as paths
from strata_kernel.mounts.cache import Cache, Held
from strata_kernel.mounts.loop import Loop
from strata_kernel.mounts.mounted import Mounted, inside
from strata_kernel.mounts.path import MountPath, Spot
from strata_kernel.mounts.places import Place, content_of, identity, open_place
from strata_kernel.mounts.staged import Staged

#: Bytes of fetched files that are kept, where no setting says so.
MOUNTS_MAX_BYTES = 20_000_000_000
#: Questions about single files of a folder after which the folder is listed instead.
SINGLE = 4
_ABSENT = object()


def beside(store: Path) -> Path:
    """Return where the files of mounts are kept: beside the store of results, which has its own order."""
    return store.with_name(store.name + "-mounts")


def held(store: Path, mounts: Iterable[Mount]) -> dict[str, Held]:
    """Return what is kept of each mount beside a store, by name."""
    cache = Cache(beside(store), 0)
    return {mount.name: cache.held(_key(_normal(mount))) for mount in mounts}


def _normal(mount: Mount) -> Mount:
    return msgspec.structs.replace(mount, uri=mount.uri.rstrip("/") if mount.uri.count("/") > 3 else mount.uri)


def _key(mount: Mount) -> str:
    return digest("mount", mount.uri, identity(mount), mount.pin)


def _never() -> None:
    pass


class Mounts:
    """Implements the `Witness` port for facts about mounts; `declared` are those of the settings.

    `apart` keeps what we do out of the record of the cell that runs; `settle` does so for a whole thread.
    """

    def __init__(
        self, root: Path, declared: Iterable[Mount], environ: Mapping[str, str], limit: int = MOUNTS_MAX_BYTES
    ) -> None:
        self.cache = Cache(root, limit)
        self.declared, self._environ = tuple(declared), environ
        self.apart: Callable[[], AbstractContextManager[None]] = nullcontext
        self.settle: Callable[[], None] = _never
        self._loop = Loop(lambda: self.settle())
        self._base = str(root) + os.sep
        self._places: dict[tuple[str, str], Place] = {}
        self._mounted: dict[tuple[str, str], Mounted] = {}
        self._asked: dict[tuple[str, str], int] = {}
        self._listed: dict[tuple[str, str], dict[str, Any]] = {}

    # While a cell runs

    @contextmanager
    def bound(self, mounts: Iterable[Mount], namespace: MutableMapping[str, Any]) -> Iterator[None]:
        """Bind each mount's path to its name, and put back what stood there; raise MountError for one that cannot be.

        What stands under the name at the end because the cell bound it anew stays.
        """
        former: dict[str, tuple[Any, Any]] = {}
        for each in self._mounted.values():
            each.begin()
        for mount in mounts:
            made = self._at(mount)
            made.begin()
            paths.keep_kind()
            path = MountPath(made.root)
            former[mount.name] = (namespace.get(mount.name, _ABSENT), path)
            namespace[mount.name] = path
        try:
            yield
        finally:
            for name, (value, path) in former.items():
                if namespace.get(name, _ABSENT) is path:
                    if value is _ABSENT:
                        del namespace[name]
                    else:
                        namespace[name] = value

    def commit(self) -> None:
        """Write back what a cell that succeeded wrote; raise MountError."""
        for each in self._staged():
            if each.used:
                each.commit()

    def keep(self, fate: str = "was not written back") -> list[str]:
        """Say where what a cell wrote is kept that failed, or that was interrupted while it was written back."""
        found = []
        for each in self._staged():
            if each.used and each.changes()[0]:
                text = f"what the cell wrote to {each.mount.uri} {fate}"
                found.append(f"{text}, and is kept in {each.keep()}")
        return found

    def _staged(self) -> list[Staged]:
        return [m for m in self._mounted.values() if isinstance(m, Staged)]

    def seen(self) -> tuple[list[Fact], list[Reason]]:
        """Return what the cell depended on, and why nothing may be kept of it, now that it has ended."""
        facts: list[Fact] = []
        reasons: list[Reason] = []
        for each in list(self._mounted.values()):
            if not each.used:
                continue
            facts += each.facts.values()
            address = each.mount.uri
            if isinstance(each, Staged):
                reasons.append(Reason("always", f"writes to {address} (rw)", name=each.mount.name))
                each.discard()
            elif (path := each.disturbed()) is not None:
                reasons.append(Reason("changed", f"{each.address(path)} changed while the cell ran"))
            if each.trouble:
                reasons.append(Reason("unobserved", each.trouble, name=each.mount.name))
        with self.apart():
            self.cache.collect()
        return facts, reasons

    def told(self, fact: Fact) -> Fact | None:
        """Return a fact about a file in the tree of a mount as one about the mount, others as they are.

        None for what is no fact of its own: what the run itself looked at there is remembered by the mount.
        """
        if not fact.name.startswith(self._base):
            return fact
        here = self.spot(fact.name)
        if here is None or isinstance(here.mounted, Staged) or here.mounted.mount.pin is not None:
            return None
        key = here.mounted
        if fact.kind == "file" and len(fact.digest) == 64 and not key.knows(here.path):
            kept = self.cache.kept(key.key, here.path)
            if kept is not None and kept.content == fact.digest:
                content = kept.content if key.near else ""
                return fingerprints.object_fact(key.address(here.path), key.options, kept.sign, content)
            key.used, key.trouble = True, f"{key.address(here.path)} was read past its mount"
        return None

    def is_ours(self, path: str) -> bool:
        """Tell whether a path lies where mounts are shown."""
        return path.startswith(self._base)

    # Where a path stands

    def spot(self, text: str) -> Spot | None:
        """Return the mount that a path lies in; raise MountError for one that leaves it by `..`."""
        if not text.startswith(self._base):
            return None
        for each in self._mounted.values():
            if text == each.root or text.startswith(each.root + "/"):
                path = os.path.normpath(text)
                if path != each.root and not path.startswith(each.root + "/"):
                    raise MountError(f"{each.mount.uri}: the path leaves the mount by `..`")
                return Spot(each, path[len(each.root) + 1 :])
        key, _, rest = text[len(self._base) :].partition("/")
        return self.spot(text) if rest.startswith("tree") and self._known(key) else None

    def _known(self, key: str) -> bool:
        """Take up a mount that another process has shown, for a path that a value holds as text."""
        try:
            mount = msgspec.json.decode((self.cache.of(key) / "mount.json").read_bytes(), type=Mount)
        except (OSError, msgspec.MsgspecError):
            return False
        made = self._at(mount)
        return made.key == key

    def _at(self, mount: Mount) -> Mounted:
        mount = _normal(mount)
        key = _key(mount)
        known = self._mounted.get((key, mount.mode))
        if known is not None and known.mount == mount:
            return known
        kind = Staged if mount.mode == "rw" else Mounted
        made = kind(mount, key, lambda: self._place(mount), self.cache, self.apart)
        with self.apart():
            folder = self.cache.of(key)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            spec = folder / "mount.json"
            if not spec.exists():
                spec.write_bytes(msgspec.json.encode(msgspec.structs.replace(mount, mode="ro")))
        made.begin()
        self._mounted[key, mount.mode] = made
        return made

    def _place(self, mount: Mount) -> Place:
        at = (mount.uri, mount.options)
        if at not in self._places:
            self._places[at] = open_place(mount, self._environ, self._loop)
        return self._places[at]

    def reopened(self, mount: bytes, path: str) -> Any:
        """Return the path that a saved one stands for."""
        made = self._at(msgspec.json.decode(mount, type=Mount))
        paths.keep_kind()
        return MountPath(os.path.join(made.root, path) if path else made.root)

    def install(self) -> None:
        """Let the paths of this process, saved ones too, find their mounts here."""
        paths.finder = self

    def handed_on(self, event: str, text: str) -> None:
        """Have here what a text stands for that a path of a mount handed on, now or long ago; raise MountError."""
        if not text.startswith(self._base) or (here := self.spot(text)) is None or isinstance(here.mounted, Staged):
            return
        if event in ("os.listdir", "os.scandir"):
            here.mounted.leave(here.path)
        elif here.path and not here.mounted.shows(here.path):
            found = here.mounted.look(here.path)
            # Who opens a folder is about to list it, which is told apart.
            if found is not None and (event == "stat" or not found.folder):
                here.mounted.leave(here.path)

    # What earlier runs saw

    def look_anew(self) -> None:
        """Take nothing that was learned before for how it is now."""
        self._asked, self._listed = {}, {}

    def holds(self, fact: Fact) -> bool:
        """Tell whether a fact about a mount still holds, fetching nothing."""
        address = fact.name.removesuffix("/**")
        mount = covering(address, (*self.declared, *(m.mount for m in self._mounted.values())))
        if mount is None:
            # Options belong to declared mounts alone, so that the address says all.
            mount = Mount("", address)
        with self.apart(), contextlib.suppress(MountError, OSError):
            place = self._place(mount)
            path = address[len(mount.uri.rstrip("/")) + 1 :] if address != mount.uri else ""
            return self._holds(fact, mount, place, path)
        return False

    def _holds(self, fact: Fact, mount: Mount, place: Place, path: str) -> bool:
        options, said = identity(mount), fact.digest
        if said.startswith(fingerprints.NAMES):
            pairs = [(name, found.folder) for name, found in place.names(path).items()]
            return fingerprints.names_fact(fact.name, options, pairs) == fact
        if said.startswith((fingerprints.BELOW, fingerprints.ALL)):
            below = {inside(p, path): found for p, found in place.below(path).items()}
            if said.startswith(fingerprints.ALL):
                return fingerprints.all_fact(fact.name, options, [(p, f.sign) for p, f in below.items()]) == fact
            return fingerprints.names_fact(fact.name, options, [(p, False) for p in below], fingerprints.BELOW) == fact
        found = self._found(mount, place, path)
        if said == fingerprints.ABSENT:
            return found is None
        if found is None or found.folder or said == fingerprints.FOLDER:
            return found is not None and found.folder and said == fingerprints.FOLDER
        if said.startswith(fingerprints.CONTENT):
            stat = found.sign.split(":")
            if len(stat) == 4 and fact.stat == tuple(map(int, stat)):
                return True
            file = os.path.join(mount.uri[7:], path) if path else mount.uri[7:]
            return content_of(file) == said.removeprefix(fingerprints.CONTENT)
        return fingerprints.object_fact(fact.name, options, found.sign).digest == said

    def _found(self, mount: Mount, place: Place, path: str) -> Any:
        """Return what stands at a path, listing its folder once several files of it were asked for."""
        folder, _, name = path.rpartition("/")
        at = (mount.uri, folder)
        if at in self._listed:
            return self._listed[at].get(name)
        self._asked[at] = self._asked.get(at, 0) + 1
        if self._asked[at] <= SINGLE or place.near or not path:
            return place.look(path)
        self._listed[at] = place.names(folder)
        return self._listed[at].get(name)
