"""Requests of a worker to addresses that its callers name: to public ones only, but for hosts that it was told of."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from strata_kernel.worker.bodies import CHUNK

#: Seconds to connect, and without a byte.
CONNECT, SILENCE = 10.0, 60.0
#: The addresses in which networks without IPv4 write those of IPv4.
_WRITTEN_IN_6 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(ValueError):
    """An address that this worker does not ask; its text says which and why."""


class _Direct(httpx.AsyncBaseTransport):
    """Connects to the very addresses that were checked, whatever a name means a moment later."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first address that answers."""
        host = request.url.host
        found = await addresses(host, self._hosts)
        # The name still says whose certificate it must be, and stands in the header `Host`.
        request.extensions = {**request.extensions, "sni_hostname": host}
        for last, address in enumerate(found, 1 - len(found)):
            request.url = request.url.copy_with(host=str(address))
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not last:
                    raise
        raise AssertionError("a name without addresses")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def client(hosts: frozenset[str]) -> httpx.AsyncClient:
    """Return what asks; `hosts` may have private addresses, and those below one that begins with a dot."""
    return httpx.AsyncClient(
        transport=_Direct(hosts),
        timeout=httpx.Timeout(SILENCE, connect=CONNECT),
        trust_env=False,
        follow_redirects=False,
    )


async def check(url: str, hosts: frozenset[str]) -> None:
    """Raise Forbidden for an address that would not be asked."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Forbidden(f"the address cannot be read: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Forbidden("only http:// and https:// are asked")
    await addresses(parsed.host, hosts)


async def addresses(host: str, hosts: frozenset[str]) -> list[Address]:
    """Return what a name means now; raise Forbidden unless all of it is public."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Forbidden(f"the host {host} is not known: {error}") from error
    places = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not _excepted(host.lower(), hosts):
        for place in places:
            if not public(place):
                raise Forbidden(
                    f"the host {host} is at {place}, which is no public address (--allow-hosts names those that may be)"
                )
    return list(dict.fromkeys(places))


def public(place: Address) -> bool:
    """Tell whether an address is one of the public internet, also by the one of IPv4 that is written in it."""
    if isinstance(place, ipaddress.IPv6Address):
        if place.ipv4_mapped is not None:
            return public(place.ipv4_mapped)
        if place in _WRITTEN_IN_6:
            return public(ipaddress.IPv4Address(int(place) & 0xFFFFFFFF))
        if place.sixtofour is not None or place.teredo is not None:
            return False
    return place.is_global and not (place.is_multicast or place.is_reserved or place.is_unspecified)


def _excepted(host: str, hosts: frozenset[str]) -> bool:
    return host in hosts or any(name.startswith(".") and host.endswith(name) for name in hosts)


async def content(path: Path) -> AsyncIterator[bytes]:
    """Yield a file piece by piece."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, CHUNK):
            yield piece
