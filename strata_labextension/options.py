"""What an administrator sets for every kernel of a server: `c.Strata.…` in any of Jupyter's configuration files."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from traitlets import Float, Integer, Unicode
from traitlets.config import LoggingConfigurable


class Strata(LoggingConfigurable):
    """Strata's cache. What is set here reaches the server's kernels and terminals as environment variables.

    So it stands above `strata.toml` and below what a notebook's metadata or a cell says. In paths, `~` and `$NAME`
    stand for the home folder and for environment variables: `/scratch/$JUPYTERHUB_USER/strata`.
    """

    store = Unicode(None, allow_none=True, help="Folder of the store; by default `strata` in the user's cache.").tag(
        config=True, variable="STRATA_CACHE_STORE"
    )
    remote = Unicode(None, allow_none=True, help="Second store that is shared: a folder or an fsspec URL.").tag(
        config=True, variable="STRATA_CACHE_REMOTE"
    )
    max_bytes = Integer(
        None, allow_none=True, min=0, help="Size in bytes above which the least recently used results are collected."
    ).tag(config=True, variable="STRATA_CACHE_MAX_BYTES")
    max_artifact_bytes = Integer(
        None, allow_none=True, min=0, help="Values above this size in bytes are recomputed instead of saved."
    ).tag(config=True, variable="STRATA_CACHE_MAX_ARTIFACT_BYTES")
    file_limit_bytes = Integer(
        None, allow_none=True, min=0, help="Files that cells write are kept up to this size in bytes."
    ).tag(config=True, variable="STRATA_CACHE_FILE_LIMIT_BYTES")
    min_runtime_ms = Float(
        None, allow_none=True, min=0, help="Values above 2 kB of shorter cells are recomputed instead of saved."
    ).tag(config=True, variable="STRATA_CACHE_MIN_RUNTIME_MS")
    trust_secret_file = Unicode(
        None,
        allow_none=True,
        help="File of the 32 bytes that sign results. Whoever holds the same secret is served the same results.",
    ).tag(config=True, variable="STRATA_TRUST_SECRET_FILE")

    _PLACES = frozenset({"store", "remote", "trust_secret_file"})

    @cached_property
    def notebooks(self) -> ThreadPoolExecutor:
        """The one thread that reads notebooks: two at a time would only take turns at the interpreter."""
        return ThreadPoolExecutor(1, "strata-notebooks")

    @cached_property
    def upkeep(self) -> ThreadPoolExecutor:
        """The one thread that counts and collects, which can take minutes in a large store."""
        return ThreadPoolExecutor(1, "strata-upkeep")

    def export(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Put what is set where the kernels of this server find it."""
        for name, trait in self.traits(config=True).items():
            variable, value = trait.metadata.get("variable"), getattr(self, name)
            if variable and value is not None:
                environ[variable] = _place(value) if name in self._PLACES else str(value)


def _place(text: str) -> str:
    """Return the path made absolute, because kernels start in other folders than the server; a URL as it is."""
    expanded = os.path.expandvars(text)
    return expanded if not expanded or "://" in expanded else str(Path(expanded).expanduser().absolute())
