"""The control protocol of the asyncio servers: lines in on standard input, JSON lines out on standard output."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable

import uvicorn
import uvloop

from benches.load.event import EventFormat
from benches.load.peers.lag import LagProbe

SendEvents = Callable[[int, int, int], Awaitable[int]]
"""Send `count` events, `burst` at a time, numbered from `first`; the number of recipients."""

BACKLOG = 4_096


def run_server(config: uvicorn.Config, send: SendEvents) -> None:
    """Serve on a free port of loopback, which `ready` tells, until standard input ends or says `quit`.

    Commands: `send COUNT BURST FIRST` answers `sent` when the server's own part is done, `lag start` and `lag stop`
    measure the event loop and answer `lag`.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        # uvicorn's own backlog is 2,048; so many handshakes are never under way.
        listener.listen(BACKLOG)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(uvicorn.Server(config), listener, send))


def say(event: str, **members: object) -> None:
    """Print one JSON line."""
    print(json.dumps({"event": event, **members}), flush=True)


def event_format() -> EventFormat:
    """Of the size that the last argument says: `--bytes=256`."""
    return EventFormat(int(sys.argv[-1].removeprefix("--bytes=")))


async def _run(server: uvicorn.Server, listener: socket.socket, send: SendEvents) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if serving.done():
            await serving
            raise SystemExit(1)
        await asyncio.sleep(0.01)
    say("ready", port=listener.getsockname()[1], pid=os.getpid())
    try:
        await _obey(send)
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def _obey(send: SendEvents) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    probe: LagProbe | None = None
    while words := (await lines.readline()).decode().split():
        match words:
            case ["send", count, burst, first]:
                began = loop.time()
                recipients = await send(int(count), int(burst), int(first))
                say("sent", events=int(count), recipients=recipients, seconds=loop.time() - began)
            case ["lag", "start"] if probe is None:
                probe = LagProbe()
                say("lag", **probe.result())
            case ["lag", "stop"] if probe is not None:
                await probe.stop()
                say("lag", **probe.result())
                probe = None
            case ["quit"]:
                return
            case _:
                say("error", error=f"{' '.join(words)!r} is no command; expected send COUNT BURST FIRST, lag, quit")
