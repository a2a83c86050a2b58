"""The JupyterLab side of Strata: a prebuilt lab extension and a Jupyter server extension."""

from __future__ import annotations

from typing import Any


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell JupyterLab where the built extension is."""
    return [{"src": "labextension", "dest": "strata-labextension"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter Server which modules to load."""
    return [{"module": "strata_labextension"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Announce the extension; the routes come with the capabilities that need them."""
    server_app.log.info("Strata is installed: choose the kernel “Strata (Python 3)”.")
