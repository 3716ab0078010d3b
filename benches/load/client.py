"""The load client, as scenarios use it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benches.load.binaries import Binaries
from benches.load.cores import CLIENT_CORE
from benches.load.errors import BenchError
from benches.load.process import Answer, JsonProcess

JOIN_SECONDS = 120
RUN_SECONDS = 1_800
"""Of one client's life: a bound, not an aim."""

RECEIVE_SECONDS = 60.0


class LoadClient(JsonProcess):
    """A process of connections to one server, each of which must get every event once and in order."""

    def __init__(
        self,
        binaries: Binaries,
        port: int,
        targets: Sequence[str],
        connections: int,
        *,
        size: int,
        first: int = 1,
        stalled: int = 0,
    ) -> None:
        """Connect; `joined` waits until that is done.

        Args:
            binaries: where the program is.
            port: of the server, on 127.0.0.1.
            targets: path and query of each connection, over and over if there are fewer.
            connections: how many receive.
            size: bytes of an event.
            first: number of the first event that they must get.
            stalled: how many more never read once they are members.
        """
        self._targets = tempfile.NamedTemporaryFile("w", suffix=".targets")  # noqa: SIM115 - closed in `stop`
        self._targets.write("\n".join(targets))
        self._targets.flush()
        arguments = {
            "--address": f"127.0.0.1:{port}",
            "--targets": Path(self._targets.name),
            "--connections": connections,
            "--stalled": stalled,
            "--first": first,
            "--bytes": size,
            "--sources": 4,
            "--join-seconds": JOIN_SECONDS,
            "--seconds": RUN_SECONDS,
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        super().__init__("the load client", [binaries.load_client, *words], core=CLIENT_CORE)

    def joined(self) -> Answer:
        """Wait until every connection is a member.

        Raises:
            BenchError: one is not.
        """
        answer = self.answer("joined", JOIN_SECONDS + 5)
        if not answer["ok"]:
            raise BenchError(f"{answer['failed']} connections were not admitted: {answer['summary']['failures']}")
        return answer

    def expect(self, number: int) -> None:
        """Say that event `number` will come; `reached` waits until everybody has it."""
        self.say(f"expect {number}")

    def reached(self) -> None:
        """Wait until everybody has got the expected event, and everything before it.

        Raises:
            BenchError: somebody missed one, got one twice, out of turn or spoilt, was cut off, or had to wait for
                longer than `RECEIVE_SECONDS`.
        """
        answer = self.answer("reached", RECEIVE_SECONDS)
        if not answer["ok"]:
            raise BenchError(f"delivery was not exact: {self.taken()}")

    def taken(self) -> dict[str, Any]:
        """The counts, and the times since they were last taken."""
        summary: dict[str, Any] = self.ask("take", "taken", RECEIVE_SECONDS)["summary"]
        return summary

    def finish(self) -> dict[str, Any]:
        """End the connections; the final report.

        Raises:
            BenchError: as for `reached`, in the whole life of the client.
        """
        report = self.ask("quit", "report", RECEIVE_SECONDS)
        status = self.stop()
        if not report["ok"] or status != 0:
            raise BenchError(f"delivery was not exact: {report}")
        return report

    def stop(self) -> int:
        """See `JsonProcess.stop`."""
        self._targets.close()
        return super().stop()
