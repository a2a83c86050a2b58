"""On what terms a cell runs: where, for how long, with which variables and folders."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from strata_kernel.domain.digest import digest
from strata_kernel.domain.directives import Directives, Mount
from strata_kernel.domain.manifest import Unit

LOCAL = "local"


class Terms(msgspec.Struct, frozen=True):
    """`worker` by name, `timeout` in seconds, `env` for this cell alone, `mounts` by the names that they bind."""

    worker: str = LOCAL
    timeout: float | None = None
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()

    @property
    def matters(self) -> dict[str, str]:
        """What of them belongs to a program, beside where it runs."""
        return {"env " + name: value for name, value in self.env}


def covering(uri: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount below whose address another one lies, the nearest of several."""
    below = [m for m in mounts if uri == m.uri or uri.startswith(m.uri.rstrip("/") + "/")]
    return max(below, key=lambda m: len(m.uri.rstrip("/")), default=None)


def unit_of(mount: Mount) -> Unit:
    """Return what stands in a state for the path of a mount: another address, mode or pin is another value."""
    version = digest("mount", mount.uri, mount.mode, mount.pin, mount.options)
    return Unit((mount.name,), version, summary={mount.name: f"mount {mount.uri}"})


def settle(directives: Directives, defaults: Terms) -> Terms:
    """Return what holds for a cell: its directives first, then the defaults; mounts are told by their names."""
    own = {mount.name: _with_options(mount, defaults.mounts) for mount in directives.mounts}
    mounts = [mount for mount in defaults.mounts if mount.name not in own]
    return Terms(
        worker=directives.worker or defaults.worker,
        timeout=directives.timeout if directives.timeout is not None else defaults.timeout,
        env=tuple(sorted({**dict(defaults.env), **directives.env}.items())),
        mounts=(*mounts, *own.values()),
    )


def _with_options(mount: Mount, declared: Iterable[Mount]) -> Mount:
    wider = covering(mount.uri, declared)
    return mount if wider is None else msgspec.structs.replace(mount, options=wider.options)
