"""Does Redis still have critical events after it was restarted?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient


class RedisPersistenceCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis persistence"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        for server in patient.servers:
            if server.write_faults:
                yield problem(
                    self.subject,
                    f"{server.where} could not write to its disk the last time ({', '.join(server.write_faults)}): it "
                    "may refuse writes, and loses what it holds when it is restarted",
                    "look at its log, and at the space and the rights of its directory",
                )
            elif server.append_only:
                yield ok(self.subject, f"{server.where} logs every write (appendonly)")
            elif patient.production:
                yield warning(
                    self.subject,
                    f"{server.where} does not log its writes: a restart forgets revocations, and critical events since "
                    "the last snapshot",
                    "CONFIG SET appendonly yes, and the same in its configuration file",
                )
            else:
                yield ok(self.subject, f"{server.where} does not log its writes, which production should")
