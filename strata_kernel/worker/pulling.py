"""`/v1/execute-manifest`: cells whose inputs are fetched, and whose answer is sent, by signed addresses."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tornado.web import HTTPError

from strata_kernel.domain.manifest import Blob
from strata_kernel.domain.published import BUNDLE, PULL, Input
from strata_kernel.errors import StoreError
from strata_kernel.worker import outward
from strata_kernel.worker.asked import Malformed, Pulled, Spec
from strata_kernel.worker.bodies import CHUNK, Feed
from strata_kernel.worker.errands import ErrandHandler
from strata_kernel.worker.runs import Worker, log

#: Seconds that a cell that has ended waits until what it had printed is told.
TOLD = 5.0


class _Heard(msgspec.Struct):
    t: str
    kind: str = ""
    content: dict[str, Any] = {}


class PullHandler(ErrandHandler):
    """Fetches what a cell needs, runs it, sends what it left, and says that it is there."""

    mode = "w"

    def initialize(self, worker: Worker) -> None:
        """Be ready to tell what is printed."""
        super().initialize(worker)
        self._console: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()

    async def post(self) -> None:
        """Run it."""
        hosts = self.worker.options.hosts
        try:
            self._request = request = Pulled(self.body())
            for where, url in request.urls().items():
                await _checked(where, url, hosts)
        except Malformed as error:
            raise HTTPError(400, "%s", error) from error
        async with outward.client(hosts) as self._client:
            with self.worker.asked(request.build) as self._run:
                inputs = tuple([await self._input(spec) for spec in request.inputs])
                telling = asyncio.ensure_future(self._tell(request.log))
                try:
                    await self.perform(self._run, request, inputs)
                finally:
                    telling.cancel()

    def heard(self, line: bytes) -> None:
        """Pass on what is printed."""
        if self._request.log and line.startswith(b'{"t":"show"'):
            event = msgspec.json.decode(line, type=_Heard)
            if event.kind == "stream":
                self._console.put_nowait((event.content["name"], event.content["text"]))

    async def answer(self, bundle: Path) -> None:
        """Send it to where the manifest says, and answer what is made of that."""
        self._console.put_nowait(None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._console.join(), TOLD)
        size, output = bundle.stat().st_size, self._request.output
        if output.most is not None and size > output.most:
            raise HTTPError(413, "%s", f"what the cell left has {size} bytes, and the manifest allows {output.most}")
        self.wanted(self._run)
        await self._send(bundle, size)
        finalized = await self._posted("finalize_url", self._request.finalize, json={"output_format": BUNDLE})
        try:
            told = msgspec.json.decode(finalized.content)
        except msgspec.DecodeError as error:
            raise HTTPError(502, "%s", f"what `finalize_url` answers is no JSON: {error}") from error
        self.finish({
            "success": True, "build_id": self._request.build, "byte_size": size, "protocol_version": PULL,
            "finalize": told,
        })  # fmt: skip

    async def _send(self, bundle: Path, size: int) -> None:
        output = self._request.output
        if output.fields:
            with bundle.open("rb") as file:
                files = {"file": ("bundle.tar", file, "application/x-tar")}
                await self._posted("output.url", output.url, data=output.fields, files=files)
            return
        headers = {"Content-Type": "application/x-tar", **output.headers, "Content-Length": str(size)}
        await self._posted("output.url", output.url, output.method, headers=headers, content=outward.content(bundle))

    async def _posted(self, where: str, url: str, method: str = "POST", **what: Any) -> httpx.Response:
        try:
            response = await self._client.request(method, url, **what)
        except (httpx.HTTPError, outward.Forbidden) as error:
            raise HTTPError(502, "%s", f"`{where}` cannot be reached: {_why(error)}") from error
        if not response.is_success:
            raise HTTPError(502, "%s", f"`{where}` answers {response.status_code}")
        return response

    async def _input(self, spec: Spec) -> Input:
        injected = tuple([await self._input(each) for each in spec.injected])
        self.wanted(self._run)
        try:
            return Input(spec.name, spec.kind, await self._fetched(spec), injected)
        except (httpx.HTTPError, outward.Forbidden) as error:
            raise HTTPError(502, "%s", f"the input `{spec.name}` cannot be fetched: {_why(error)}") from error
        except StoreError as error:
            raise HTTPError(503, "%s", error) from error

    async def _fetched(self, spec: Spec) -> Blob:
        async with self._client.stream("GET", self._request.url(spec)) as response:
            if response.status_code != 200:
                raise HTTPError(502, "%s", f"the input `{spec.name}` cannot be fetched: {response.status_code}")
            told = response.headers.get("Content-Length", "")
            self._bounded(spec, int(told) if told.isdecimal() else 0)
            feed, count = Feed(self.worker.store), 0
            try:
                async for piece in response.aiter_bytes(CHUNK):
                    self.wanted(self._run)
                    count += len(piece)
                    self._bounded(spec, count)
                    feed.take(piece)
                return await feed.stored()
            finally:
                feed.stop()

    def _bounded(self, spec: Spec, size: int) -> None:
        if size > self.limit:
            raise HTTPError(413, "%s", f"the input `{spec.name}` has more than {self.limit} bytes")

    async def _tell(self, url: str) -> None:
        """Post what is printed, in order; a piece that does not arrive leaves a gap, which its reader sees."""
        counts = {"stdout": 0, "stderr": 0}
        while True:
            told = await self._console.get()
            if told is not None:
                name, text = told
                place = f"{url}{'&' if '?' in url else '?'}stream={name}&seq={counts[name]}"
                counts[name] += 1
                try:
                    await self._client.post(place, content=text.encode("utf-8", "replace"))
                except (httpx.HTTPError, outward.Forbidden) as error:
                    log.info("console not told", extra={"fields": {"run": self._run, "why": _why(error)}})
            self._console.task_done()


async def _checked(where: str, url: str, hosts: frozenset[str]) -> None:
    try:
        await outward.check(url, hosts)
    except outward.Forbidden as error:
        raise Malformed(f"`{where}`: {error}") from error


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
