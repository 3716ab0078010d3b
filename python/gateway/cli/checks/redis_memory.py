"""Does Redis keep what it is given?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

KEEP: Final = "noeviction"

NEARLY_FULL: Final = 0.8
"""Above this share of its memory a server is a busy hour away from refusing writes."""

_MIB: Final = 1024 * 1024


class RedisMemoryCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis memory"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        for server in patient.servers:
            if server.policy != KEEP:
                yield problem(
                    self.subject,
                    f"{server.where} may evict keys (maxmemory-policy {server.policy}): a revoked token would be good "
                    "again, and critical events would be gone",
                    f"CONFIG SET maxmemory-policy {KEEP}, and the same in its configuration file",
                )
            share = server.used_memory / server.max_memory if server.max_memory else 0.0
            used = f"{server.where} uses {server.used_memory / _MIB:.0f} of {server.max_memory / _MIB:.0f} MiB"
            if share >= 1:
                yield problem(
                    self.subject, f"{used}: it refuses writes", "raise maxmemory, or find what fills it (--bigkeys)"
                )
            elif share > NEARLY_FULL:
                yield warning(self.subject, used, "raise maxmemory before it refuses writes, or find what fills it")
            elif server.policy == KEEP:
                limit = used if server.max_memory else f"{server.where} has no limit of its own"
                yield ok(self.subject, f"{limit}; {KEEP}")
