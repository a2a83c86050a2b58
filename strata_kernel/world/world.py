"""The world outside the notebook, as the engine asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from strata_kernel.domain.manifest import Fact
from strata_kernel.ports import Witness
from strata_kernel.world.dists import Distributions
from strata_kernel.world.env import Environment
from strata_kernel.world.files import Files, stat_of
from strata_kernel.world.modules import LocalModules


class LocalWorld:
    """This machine's files, environment, modules and distributions; implements the `World` port.

    `start` is the folder in which the kernel starts, for who asks without being one; by default that of this process.
    """

    def __init__(
        self,
        roots: Sequence[str],
        environ: Mapping[str, str] | None = None,
        path: Sequence[str] | None = None,
        start: str | None = None,
    ) -> None:
        self.files = Files()
        self.start = os.getcwd() if start is None else start
        self.environment = Environment(dict(os.environ) if environ is None else environ)
        self.modules = LocalModules(roots, path)
        self.distributions = Distributions(path)
        #: Who knows about facts of other kinds.
        self.witnesses: dict[str, Witness] = {}
        #: The version that a worker has of a distribution, None where that is not known.
        self.elsewhere: Callable[[str, str], str | None] = lambda name, worker: None

    def look_anew(self) -> None:
        """Take nothing that was learned of other machines for how it is now."""
        for witness in self.witnesses.values():
            witness.look_anew()

    def observe(self, kind: str, name: str) -> Fact | None:
        """Return the fact as it holds now, None when it cannot be told."""
        match kind:
            case "file":
                return self.files.observe_file(name)
            case "absent":
                return None if os.path.lexists(name) else Fact("absent", name)
            case "dir":
                return self.files.observe_dir(name)
            case "cwd":
                return Fact("cwd", name, self.start)
            case "env":
                return self.environment.observe(name)
            case "module":
                return self.modules.observe(name)
            case "dist" if "@" in name:
                version = self.elsewhere(*name.split("@", 1))
                return None if version is None else Fact("dist", name, version)
            case "dist":
                return self.distributions.observe(name)
        return None

    def behind(self, modules: Iterable[str]) -> set[str]:
        """Return the names of the user's own modules among these, and of those that they import."""
        return {source.name for name in modules for source in self.modules.closure(name)}

    def sources_of(self, modules: Iterable[str]) -> dict[str, bytes]:
        """Return the files of the user's own modules among these, and of those that they import, by relative path."""
        found: dict[str, bytes] = {}
        for source in {s.path: s for name in modules if "@" not in name for s in self.modules.closure(name)}.values():
            dotted, base = source.name.replace(".", "/"), os.path.basename(source.path)
            folder = dotted if base.startswith("__init__.") else os.path.dirname(dotted)
            try:
                with open(source.path, "rb") as file:
                    found[os.path.join(folder, base)] = file.read()
            except OSError:  # a folder that is a package by being one, or one that has just gone
                continue
        return found

    def sight(self, fact: Fact) -> str:
        """Return a digest of what stands now where a fact about a file or a folder looked."""
        stat = stat_of(fact.name)
        if stat is not None:
            try:
                return self.files.digest(fact.name, stat)
            except OSError:
                return ""
        found = self.files.observe_dir(fact.name)
        return found.digest if found is not None else ""

    def holds(self, fact: Fact) -> bool:
        """Tell whether the fact still holds: by its stat where that is proof, else by its digest."""
        match fact.kind:
            case "file":
                return self.files.holds_file(fact)
            case "dir":
                return self.files.holds_dir(fact)
            case "absent":
                return not os.path.lexists(fact.name)
        if (witness := self.witnesses.get(fact.kind)) is not None:
            return witness.holds(fact)
        found = self.observe(fact.kind, fact.name)
        return found is not None and found.digest == fact.digest

    def facts_of(self, modules: Iterable[str]) -> tuple[Fact, ...]:
        """Return the facts behind a set of imported modules: local sources, missing ones, distributions."""
        names = sorted(set(modules))
        found = []
        for name in names:
            if name.rpartition(".")[0] in names and not self.modules.is_module(name):
                continue  # an attribute, for which its module stands
            fact = self.modules.observe(self.modules.loaded_as(name))
            # External names are pinned by their distribution; a name of the standard library has none.
            if fact.digest != "external":
                found.append(fact)
        for name, version in self.distributions.distributions_of(names).items():
            found.append(Fact("dist", name, version))
        return tuple(found)
