"""What the kernel sends to everyone, in order, whether it goes out at once or together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import zmq
from ipykernel.iostream import IOPubThread

from strata_kernel.kernel.streams import Together


@pytest.fixture
def ends() -> Iterator[tuple[Together, zmq.Socket[bytes]]]:
    context = zmq.Context()
    out, heard = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    out.bind("inproc://iopub")
    heard.subscribe(b"")
    heard.connect("inproc://iopub")
    thread = IOPubThread(out)
    thread.start()
    yield Together(thread), heard
    thread.stop()
    thread.close()
    heard.close()
    context.term()


def receive(heard: zmq.Socket[bytes], count: int) -> list[bytes]:
    found = []
    while len(found) < count and heard.poll(5000):
        found += heard.recv_multipart()
    return found


def test_what_is_held_goes_out_in_its_order_before_what_follows(ends: tuple[Together, zmq.Socket[bytes]]) -> None:
    socket, heard = ends
    socket.send(b"first")
    assert receive(heard, 1) == [b"first"]
    socket.hold()
    socket.send_multipart([b"busy"])
    socket.send(b"input")
    assert not heard.poll(200)
    socket.release()
    socket.send(b"output")
    assert receive(heard, 3) == [b"busy", b"input", b"output"]


def test_waiting_lets_go_of_what_is_held(ends: tuple[Together, zmq.Socket[bytes]]) -> None:
    socket, heard = ends

    async def wait() -> None:
        socket.hold()
        socket.send(b"busy")
        await asyncio.sleep(0)

    asyncio.run(wait())
    assert receive(heard, 1) == [b"busy"]


def test_other_threads_do_not_wait(ends: tuple[Together, zmq.Socket[bytes]]) -> None:
    socket, heard = ends
    socket.hold()
    threading.Thread(target=socket.send, args=[b"beside"]).start()
    assert receive(heard, 1) == [b"beside"]


def test_nothing_held_sends_nothing(ends: tuple[Together, zmq.Socket[bytes]]) -> None:
    socket, heard = ends
    socket.hold()
    socket.release()
    socket.release()
    assert not heard.poll(100)
