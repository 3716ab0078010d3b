"""Does the limit of open files leave as many connections as are wanted?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient
from gateway.settings import DESCRIPTOR_RESERVE

FEW: Final = 4_096
"""A limit below this is one that nobody has set: systemd's and most shells' default is 1,024."""


class OpenFilesCheck:
    """Keeps `base.Check`. It is the limit of this shell; a service manager gives a service another one."""

    subject: ClassVar[str] = "open files"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        soft, hard = patient.open_files
        wanted = patient.settings.max_connections if patient.settings is not None else 0
        if soft < 0:
            yield ok(self.subject, "there is no limit")
            return
        left = max(0, soft - DESCRIPTOR_RESERVE)
        found = f"the limit is {soft} here, which leaves {left} connections"
        if left == 0:
            yield problem(self.subject, f"{found}: the gateway does not start", _advice(FEW, hard))
        elif wanted > left:
            yield problem(
                self.subject,
                f"{found}, and GATEWAY_MAX_CONNECTIONS asks for {wanted}",
                _advice(wanted + DESCRIPTOR_RESERVE, hard),
            )
        elif soft < FEW and not wanted:
            yield warning(self.subject, found, _advice(65_536, hard))
        else:
            yield ok(self.subject, found)


def _advice(wanted: int, hard: int) -> str:
    advice = (
        f"ulimit -n {wanted} in this shell, LimitNOFILE={wanted} in a systemd unit, --ulimit nofile={wanted} of a "
        "container"
    )
    if 0 <= hard < wanted:
        advice += f"; the hard limit is {hard} and has to be raised first, by root"
    return advice
