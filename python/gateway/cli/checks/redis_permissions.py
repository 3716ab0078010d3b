"""May the user in the URL do what a gateway does?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem
from gateway.cli.checks.patient import Patient


class RedisPermissionsCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis permissions"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        for denied in patient.denied:
            yield problem(
                self.subject,
                f"the gateway cannot {denied.purpose}: {denied.answer}",
                "widen the ACL of its user; SECURITY.md has the line for it",
            )
        if patient.servers and not patient.denied:
            yield ok(self.subject, "everything that a gateway does was tried and is permitted")
