"""Who is measured, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benches.load.binaries import Binaries
from benches.load.cores import SERVER_CORE
from benches.load.errors import BenchError
from benches.load.process import JsonProcess
from benches.load.tokens import staff_targets

START_SECONDS = 60.0
SEND_SECONDS = 180.0


@dataclass(frozen=True)
class Bench:
    """What every scenario needs to know.

    Attributes:
        binaries: the Rust programs.
        redis_url: of a Redis on the clients' core, for the gateway.
        sockets: `native` or `asgi`: who owns the gateway's sockets.
        size: bytes of an event.
        rounds: how often each contender is measured, alternately.
        socketify: its interpreter; None leaves it out.
        step: told what was just done, for the progress display.
    """

    binaries: Binaries
    redis_url: str
    sockets: str
    size: int = 256
    rounds: int = 7
    socketify: Path | None = None
    step: Callable[[str], None] = field(default=lambda _text: None)

    def server(self, contender: str) -> Server:
        """Start a contender's server: `bare`, `fastapi`, `socketify`, `gateway`."""
        size = f"--bytes={self.size}"
        module = [sys.executable, "-m"]
        match contender:
            case "bare":
                return Server(contender, [self.binaries.bare_server, str(self.size)])
            case "fastapi":
                return Server(contender, [*module, "benches.load.peers.fastapi_loop", size])
            case "socketify" if self.socketify is not None:
                return Server(contender, [self.socketify, "-m", "benches.load.peers.socketify_server", size])
            case "gateway":
                command = [*module, "benches.load.peers.gateway_server", f"--sockets={self.sockets}", size]
                settings = {"GATEWAY_REDIS_URL": self.redis_url, "GATEWAY_SOCKETS": self.sockets}
                return Server(contender, command, settings)
        raise BenchError(f"there is no contender {contender!r} here")

    @property
    def throughput_contenders(self) -> tuple[str, ...]:
        """Everybody."""
        return ("bare", "fastapi", *(["socketify"] if self.socketify else []), "gateway")


class Server(JsonProcess):
    """A contender's server, on the server's core. It counts the events that it has sent.

    Attributes:
        port: where it listens, on 127.0.0.1.
        sent: number of the last event.
    """

    def __init__(self, name: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
        super().__init__(name, command, core=SERVER_CORE, environment=environment)
        try:
            self.port = int(self.answer("ready", START_SECONDS)["port"])
        except BaseException:
            self.stop()
            raise
        self.sent = 0

    def targets(self, connections: int) -> list[str]:
        """Paths that its clients ask for: of the gateway, each with a token of a user of its own."""
        return staff_targets("/ws/waiter", connections) if self.name == "gateway" else ["/open"]

    def begin_send(self, events: int, burst: int) -> None:
        """Tell it to send; `end_send` waits."""
        self.say(f"send {events} {burst} {self.sent + 1}")
        self.sent += events

    def end_send(self, recipients: int) -> None:
        """Wait until it has sent.

        Raises:
            BenchError: it knows of another number of recipients.
        """
        answer = self.answer("sent", SEND_SECONDS)
        if answer["recipients"] != recipients:
            raise BenchError(f"{self.name} sent to {answer['recipients']}; expected {recipients}")
