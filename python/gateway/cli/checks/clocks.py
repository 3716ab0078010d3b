"""Do the clocks agree?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

NOTICEABLE: Final = 0.5
"""Seconds. Clocks that are kept in step by NTP differ by milliseconds."""

_ADVICE: Final = (
    "keep the clocks of all machines in step (chrony, systemd-timesyncd); `timedatectl` shows whether they are"
)


class ClocksCheck:
    """Keeps `base.Check`. Tokens are judged by this machine's clock, streams and places by the servers'."""

    subject: ClassVar[str] = "clocks"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if not patient.servers:
            return
        leeway = patient.settings.token_leeway if patient.settings is not None else 5.0
        agreed = True
        for server in patient.servers:
            off = max(0.0, abs(server.ahead) - server.doubt)
            if off < NOTICEABLE:
                continue
            agreed = False
            side = "ahead of" if server.ahead > 0 else "behind"
            found = f"the clock of {server.where} is {off:.1f} s {side} this machine's"
            if off > leeway:
                yield problem(
                    self.subject,
                    f"{found}, more than GATEWAY_TOKEN_LEEWAY ({leeway:g} s): with an issuer's clock like that, tokens "
                    "are refused or live too long",
                    _ADVICE,
                )
            else:
                yield warning(self.subject, found, _ADVICE)
        first = min(patient.servers, key=lambda server: server.ahead)
        last = max(patient.servers, key=lambda server: server.ahead)
        if (apart := last.ahead - first.ahead - first.doubt - last.doubt) >= NOTICEABLE:
            agreed = False
            yield warning(
                self.subject,
                f"the clocks of {first.where} and {last.where} are {apart:.1f} s apart: after a failover the ids of "
                "critical events may go back, and histories begin again",
                _ADVICE,
            )
        if agreed:
            yield ok(self.subject, f"this machine and Redis agree within {NOTICEABLE:g} s")
