"""socketify (uWebSockets in C++ under Python): the fastest WebSocket server that Python has, with its own pub/sub.

`python -m benches.load.peers.socketify_server --bytes=256`, with an interpreter that has socketify
(`benches/load/requirements.txt`). Its libuv loop is run directly and blocks while nothing happens: `App.run` would
spin asyncio's loop beside it, and that CPU would be counted.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from typing import Any

from socketify import App, OpCode  # type: ignore[import-not-found]  # in an environment of its own

from benches.load.event import EventFormat

TOPIC = "room"

PACE_MS = 1
"""One group of events is published per turn of the loop: uWebSockets sends what was published at the end of a turn."""

IDLE_MS = 20
"""Between two looks for a command: what a look costs is not the fan-out's."""


class SocketifyBench:
    """The server and its clients, on the loop's thread alone, but for `_said`, which another thread fills."""

    def __init__(self, size: int) -> None:
        self._format = EventFormat(size)
        # Appending to and popping from a deque are atomic.
        self._said: deque[str] = deque()
        self._next = 0
        self._end = 0
        self._count = 0
        self._burst = 1
        self._began = 0.0
        self._timer: Any = None
        self._app = App()
        self._app.ws(
            "/*",
            {
                "compression": 0,
                "max_backpressure": 16 * 1024 * 1024,
                "idle_timeout": 0,
                "open": self._opened,
                "message": self._heard,
            },
        )
        self._app.listen({"port": 0, "host": "127.0.0.1"}, self._listening)

    def run(self) -> None:
        """Serve until standard input ends or says `quit`."""
        threading.Thread(target=self._listen, name="stdin", daemon=True).start()
        loop = self._app.loop.uv_loop
        self._timer = loop.create_timer(IDLE_MS, IDLE_MS, self._turn, None)
        loop.run()

    def _listening(self, config: Any) -> None:
        say("ready", port=config.port, pid=os.getpid())

    def _opened(self, websocket: Any) -> None:
        websocket.subscribe(TOPIC)
        websocket.send('{"type":"welcome"}', OpCode.TEXT)

    def _heard(self, websocket: Any, _message: Any, _opcode: Any) -> None:
        websocket.send('{"type":"pong"}', OpCode.TEXT)

    def _listen(self) -> None:
        for line in sys.stdin:
            self._said.append(line)
        self._said.append("quit")

    def _turn(self, _nothing: object) -> None:
        if self._next < self._end:
            last = min(self._next + self._burst, self._end)
            for number in range(self._next, last):
                self._app.publish(TOPIC, self._format.write(number), OpCode.TEXT)
            self._next = last
        elif self._count:
            # A turn later than the last publication: by now it has been sent.
            recipients = self._app.num_subscribers(TOPIC)
            say("sent", events=self._count, recipients=recipients, seconds=time.monotonic() - self._began)
            self._count = 0
            self._timer.set_repeat(IDLE_MS)
        elif self._said:
            self._obey(self._said.popleft())

    def _obey(self, line: str) -> None:
        match line.split():
            case ["send", count, burst, first]:
                self._count, self._burst, self._next = int(count), int(burst), int(first)
                self._end = self._next + self._count
                self._began = time.monotonic()
                self._timer.set_repeat(PACE_MS)
            case ["quit"]:
                # The library's own way out asks every client to close first.
                os._exit(0)
            case _:
                say("error", error=f"{line.strip()!r} is no command; expected send COUNT BURST FIRST or quit")


def say(event: str, **members: object) -> None:
    """Print one JSON line."""
    print(json.dumps({"event": event, **members}), flush=True)


if __name__ == "__main__":
    SocketifyBench(int(sys.argv[-1].removeprefix("--bytes="))).run()
