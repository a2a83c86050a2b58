"""On what terms a cell runs: where, for how long, with which variables and folders."""

from __future__ import annotations

import msgspec

from strata_kernel.domain.directives import Directives, Mount

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


def settle(directives: Directives, defaults: Terms) -> Terms:
    """Return what holds for a cell: its directives first, then the defaults; mounts are told by their names."""
    own = {mount.name: mount for mount in directives.mounts}
    mounts = [mount for mount in defaults.mounts if mount.name not in own]
    return Terms(
        worker=directives.worker or defaults.worker,
        timeout=directives.timeout if directives.timeout is not None else defaults.timeout,
        env=tuple(sorted({**dict(defaults.env), **directives.env}.items())),
        mounts=(*mounts, *own.values()),
    )
