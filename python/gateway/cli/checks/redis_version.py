"""Does every data server know what the gateway uses?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

OLDEST: Final = (7, 0)
"""Sharded Pub/Sub came with 7.0, and with it the counters of a group by which lost entries are noticed."""


class RedisVersionCheck:
    """Keeps `base.Check`. Valkey went on from Redis 7.2: any version will do."""

    subject: ClassVar[str] = "Redis version"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        names = []
        for server in patient.servers:
            name = f"{server.software} {server.version}".strip()
            version = _parse(server.version)
            if version is None:
                yield warning(
                    self.subject,
                    f"{server.where} does not say which version it is",
                    "expected Redis 7 or newer, or Valkey",
                )
            elif version < OLDEST:
                yield problem(
                    self.subject,
                    f"{server.where} is {name}, without sharded Pub/Sub: critical events reach nobody",
                    "upgrade to Redis 7 or newer, or to Valkey",
                )
            else:
                names.append(name)
        if len(set(names)) > 1:
            yield warning(
                self.subject, f"the servers differ: {', '.join(sorted(set(names)))}", "finish the upgrade, one by one"
            )
        elif names and len(names) == len(patient.servers):
            yield ok(self.subject, names[0])


def _parse(version: str) -> tuple[int, int] | None:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
