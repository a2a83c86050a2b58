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
    """Hand the admin's settings on to the kernels and add the routes below `strata/`."""
    # The module is imported by tools that only ask where the lab extension lies.
    from strata_labextension.handlers import routes
    from strata_labextension.options import Strata

    strata = Strata(parent=server_app)
    strata.export()
    web = server_app.web_app
    web.add_handlers(".*$", routes(web.settings["base_url"], strata))
    server_app.log.info("Strata is installed: choose the kernel “Strata (Python 3)”.")
