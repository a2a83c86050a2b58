"""The world outside the notebook, as the engine asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from strata_kernel.domain.manifest import Fact
from strata_kernel.world.dists import Distributions
from strata_kernel.world.env import Environment
from strata_kernel.world.files import EXISTS, Files, read_listing, stat_of
from strata_kernel.world.modules import LocalModules


class LocalWorld:
    """This machine's files, environment, modules and distributions; implements the `World` port."""

    def __init__(
        self, roots: Sequence[str], environ: Mapping[str, str] | None = None, path: Sequence[str] | None = None
    ) -> None:
        self.files = Files()
        self.start = os.getcwd()
        self.environment = Environment(dict(os.environ) if environ is None else environ)
        self.modules = LocalModules(roots, path)
        self.distributions = Distributions(path)

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
            case "dist":
                return self.distributions.observe(name)
        return None

    def holds_but_for(self, fact: Fact, own: Mapping[str, str | None]) -> bool:
        """Tell whether the fact would hold without the files that the notebook left: `own`, their digests by path."""
        if fact.kind == "dir" and fact.digest != EXISTS:
            mine = {os.path.basename(path) for path in own if os.path.dirname(path) == fact.name}
            try:
                return bool(mine) and fact.digest == read_listing(fact.name, mine)
            except OSError:
                return False
        if fact.kind not in ("file", "absent", "dir") or fact.name not in own:
            return False
        stat = stat_of(fact.name)
        here = None if stat is None else self.files.digest(fact.name, stat)
        return here == own[fact.name] or (stat is None and os.path.isdir(fact.name))

    def holds(self, fact: Fact) -> bool:
        """Tell whether the fact still holds: by its stat where that is proof, else by its digest."""
        match fact.kind:
            case "file":
                return self.files.holds_file(fact)
            case "dir":
                return self.files.holds_dir(fact)
            case "absent":
                return not os.path.lexists(fact.name)
        found = self.observe(fact.kind, fact.name)
        return found is not None and found.digest == fact.digest

    def facts_of(self, modules: Iterable[str]) -> tuple[Fact, ...]:
        """Return the facts behind a set of imported modules: local sources, missing ones, distributions."""
        names = sorted(set(modules))
        found = []
        for name in names:
            fact = self.modules.observe(name)
            # External names are pinned by their distribution; a name of the standard library has none.
            if fact.digest != "external":
                found.append(fact)
        for name, version in self.distributions.distributions_of(names).items():
            found.append(Fact("dist", name, version))
        return tuple(found)
