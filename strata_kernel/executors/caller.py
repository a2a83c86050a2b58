"""A worker at an address: how it is asked over HTTP, and what its refusals mean."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, NamedTuple

from strata_kernel.errors import WorkerError

#: Seconds to connect, without a sign of life (the worker gives one each second), and for an interrupted cell to end.
CONNECT, SILENCE, PATIENCE = 5.0, 8.0, 10.0
#: Seconds before each further attempt to reach it.
AGAIN = (0.2, 0.8)


class Place(NamedTuple):
    """Where a worker is, the token that it wants, and the variable that the token came from."""

    url: str
    token: str = ""
    token_env: str = ""


class Caller:
    """Asks one worker; its connections are kept."""

    def __init__(self, name: str, place: Place) -> None:
        self.name, self.place = name, place
        self._client: Any = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def connection(self) -> Any:
        """Return what requests go through."""
        if self._client is None:
            self._client = self.connect()
        return self._client

    def connect(self) -> Any:
        """Return new connections."""
        import httpx

        headers = {"Authorization": f"Bearer {self.place.token}"} if self.place.token else {}
        limits = httpx.Timeout(60.0, connect=CONNECT, read=SILENCE)
        # Not through a proxy that the environment names: a worker is where its address says.
        return httpx.AsyncClient(
            base_url=self.place.url, headers=headers, timeout=limits, trust_env=False, follow_redirects=False
        )

    async def asked(self, path: str) -> dict[str, Any]:
        """Return what a route answers, after some attempts; raise WorkerError."""
        import httpx

        for delay in (*AGAIN, None):
            try:
                response = await self.connection().get(path)
                break
            except httpx.TransportError as error:
                if delay is None:
                    raise self.unreachable(error) from error
                await asyncio.sleep(delay)
        self.check(response.status_code, response.text)
        with contextlib.suppress(ValueError):
            found = response.json()
            if isinstance(found, dict):
                return found
        raise WorkerError("version", f"what answers at {self.place.url} is no worker")

    def check(self, status: int, text: str) -> None:
        """Raise WorkerError for an answer that is none."""
        if status < 300:
            return
        said = text[:300]
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = str(json.loads(text)["error"])
        name, variable = self.name, self.place.token_env
        if status in (401, 403):
            cure = f"check the variable {variable}" if variable else "name a variable with `token_env` in its config"
            raise WorkerError("unauthorised", f"worker {name} wants another token\nIts token is wrong: {cure}.")
        if status == 413:
            cure = "Pass less to this cell, or raise --max-input-bytes of the worker."
            raise WorkerError("too large", f"the inputs are too large for worker {name}: {said}\n{cure}")
        if status in (408, 504):
            raise WorkerError("timeout", f"worker {name} gave up: {said}\n`# @timeout` sets the limit.")
        if status == 503:
            raise WorkerError("unreachable", f"worker {name} takes no cells now: {said}\nTry again when it is back.")
        raise WorkerError("version", f"worker {name} refused the cell ({status}): {said}")

    def unreachable(self, error: Exception) -> WorkerError:
        """Return what it means that no connection came about."""
        why = str(error) or type(error).__name__
        return WorkerError(
            "unreachable",
            f"worker {self.name} cannot be reached at {self.place.url}: {why}\n"
            "Start it (`strata worker`), correct its url in strata.toml, or run the cell here (`# @worker local`).",
        )

    def died(self, status: Any) -> WorkerError:
        """Return what it means that nothing came any more."""
        if status == "timeout":
            return WorkerError(
                "timeout", f"the cell on {self.name} was ended: it was over its time\nRaise `# @timeout`."
            )
        how = f" ({status})" if status not in (None, "") else ""
        return WorkerError(
            "died",
            f"worker {self.name} ended before the cell did{how}\n"
            "Nothing of the run was kept. Run the cell again; if this happens each time, it may need more memory.",
        )
