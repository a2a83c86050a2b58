"""Runs a worker until it is told to end."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import signal
import socket
import sys
import time

from tornado.httpserver import HTTPServer

from strata_kernel.errors import InvocationError
from strata_kernel.worker.runs import Options, Worker, environment, log
from strata_kernel.worker.server import serve


class _JsonLines(logging.Formatter):
    """One JSON object a line; no header and no body of a request ever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {"time": round(time.time(), 3), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def addresses(host: str, port: int, token: str) -> list[tuple[str, int]]:
    """Return where to listen; raise InvocationError for a public address without a token."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InvocationError(f"cannot listen on {host}: {error}") from error
    places = list(dict.fromkeys((str(each[4][0]), int(each[4][1])) for each in found))
    for address, _ in places:
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback and not token:
            raise InvocationError(
                f"{address} can be reached from other machines, and whoever reaches a worker runs code on it: name "
                "the variable that holds a token with --token-env, or listen on 127.0.0.1"
            )
    return places


def log_lines() -> None:
    """Write the log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    for logger in (log, logging.getLogger("tornado")):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def run(options: Options, host: str, port: int, patience: float = 30.0) -> None:
    """Listen and work until SIGTERM or SIGINT, then let the cells that run come to their end."""
    log_lines()
    asyncio.run(_run(options, addresses(host, port, options.token), patience))


async def _run(options: Options, places: list[tuple[str, int]], patience: float) -> None:
    worker = Worker(options)
    server = serve(worker)
    for address, port in places:
        _listen(server, address, port)
    # The first caller asks for both.
    await asyncio.gather(worker.guests.start(), asyncio.to_thread(environment))
    ports = sorted({s.getsockname()[1] for s in server._sockets.values()})
    print(f"strata worker: http://{places[0][0]}:{ports[0]}", flush=True)
    log.info("listening", extra={"fields": {"addresses": [p[0] for p in places], "ports": ports}})
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    log.info("draining", extra={"fields": {"running": len(worker.running)}})
    server.stop()
    await worker.drain(patience)
    await server.close_all_connections()


def _listen(server: HTTPServer, address: str, port: int) -> None:
    try:
        server.listen(port, address)
    except OSError as error:
        raise InvocationError(f"cannot listen on {address}:{port}: {error.strerror}") from error
