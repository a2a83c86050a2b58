"""A server for the UI tests: no passwords, no questions to the outside, a cache of its own."""

import os
import tempfile
from typing import Any

from jupyterlab.galata import configure_jupyter_server

c: Any = get_config()  # type: ignore[name-defined]  # noqa: F821
configure_jupyter_server(c)
c.ServerApp.allow_root = True
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.ServerApp.port = int(os.environ.get("STRATA_UI_PORT", "8899"))
c.ServerApp.port_retries = 0
os.environ["STRATA_CACHE_STORE"] = tempfile.mkdtemp(prefix="strata-ui-store-")
os.environ["STRATA_CACHE_MIN_RUNTIME_MS"] = "0"
# The models of the tests ask for no key, but their client does.
os.environ["STRATA_AI_API_KEY"] = "none"
