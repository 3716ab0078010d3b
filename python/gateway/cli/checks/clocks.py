"""Do the clocks agree?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

NOTICEABLE: Final = 0.5
"""Seconds. Clocks that are kept in step by NTP differ by milliseconds."""

_ADVICE: Final = (
    "keep the clocks of all machines in step (chrony, systemd-timesyncd); `timedatectl` shows whether they are"
)


class _Clock(NamedTuple):
    """Whose it is, by how many seconds it is ahead of this machine's, and how far off that may be."""

    whose: str
    ahead: float
    doubt: float


class ClocksCheck:
    """Keeps `base.Check`. Tokens are judged by each node's clock, streams and places by the servers'."""

    subject: ClassVar[str] = "clocks"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        servers = [_Clock(server.where, server.ahead, server.doubt) for server in patient.servers]
        clocks = servers + _of_nodes(patient)
        leeway = patient.settings.token_leeway if patient.settings is not None else 5.0
        faults = [finding for clock in clocks if (finding := self._against_ours(clock, leeway)) is not None]
        if servers and (finding := self._apart(servers)) is not None:
            faults.append(finding)
        yield from faults
        if clocks and not faults:
            yield ok(self.subject, f"this machine and the {len(clocks)} that were asked agree within {NOTICEABLE:g} s")

    def _against_ours(self, clock: _Clock, leeway: float) -> Finding | None:
        off = max(0.0, abs(clock.ahead) - clock.doubt)
        if off < NOTICEABLE:
            return None
        side = "ahead of" if clock.ahead > 0 else "behind"
        found = f"the clock of {clock.whose} is {off:.1f} s {side} this machine's"
        if off <= leeway:
            return warning(self.subject, found, _ADVICE)
        return problem(
            self.subject,
            f"{found}, more than GATEWAY_TOKEN_LEEWAY ({leeway:g} s): a token that is good by one is none by the other",
            _ADVICE,
        )

    def _apart(self, servers: Sequence[_Clock]) -> Finding | None:
        first = min(servers, key=lambda clock: clock.ahead)
        last = max(servers, key=lambda clock: clock.ahead)
        apart = last.ahead - first.ahead - first.doubt - last.doubt
        if apart < NOTICEABLE:
            return None
        return warning(
            self.subject,
            f"the clocks of {first.whose} and {last.whose} are {apart:.1f} s apart: after a failover the ids of "
            "critical events may go back, and histories begin again",
            _ADVICE,
        )


def _of_nodes(patient: Patient) -> list[_Clock]:
    before, after = patient.asked_at
    return [
        _Clock(f"node {status.get('node')}", float(status["time"]) - (before + after) / 2, (after - before) / 2)
        for status in patient.nodes or ()
        if isinstance(status.get("time"), int | float)
    ]
