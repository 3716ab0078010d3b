"""A WebSocket server that makes one mistake, so that the load bench's client can be seen to find it.

`python -m tests.support.faulty_server FAULT --bytes=256` speaks the bench's control protocol; FAULT is `none`, or what
the third connection suffers: its second event is dropped, repeated, swapped with the next, or spoilt; or its last one
is dropped, or its connection is cut.
"""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve

from benches.load.peers.control import event_format, say

VICTIM = 2
"""Index of the connection."""

FAULTS = ("drop", "repeat", "swap", "spoil", "drop-last", "cut")


def _texts(numbers: list[int], fault: str) -> list[str]:
    texts = [event_format().write(number) for number in numbers]
    match fault:
        case "drop":
            del texts[1]
        case "repeat":
            texts.insert(1, texts[1])
        case "swap":
            texts[1], texts[2] = texts[2], texts[1]
        case "spoil":
            texts[1] = texts[1].replace("x", "y", 1)
        case "drop-last" | "cut":
            del texts[-1]
    return texts


async def main(fault: str) -> None:
    connections: list[ServerConnection] = []

    async def member(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.send('{"type":"welcome"}')
        await connection.wait_closed()

    async with serve(member, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        say("ready", port=next(iter(server.sockets)).getsockname()[1])
        while line := await asyncio.to_thread(sys.stdin.readline):
            _, count, _, first = line.split()
            numbers = list(range(int(first), int(first) + int(count)))
            for index, connection in enumerate(connections):
                for text in _texts(numbers, fault if index == VICTIM else "none"):
                    await connection.send(text)
                if fault == "cut" and index == VICTIM:
                    connection.transport.abort()
            say("sent", events=int(count), recipients=len(connections))
        for connection in connections:
            connection.transport.abort()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
