"""Can anybody on the way to Redis read along?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.cli.checks.base import Finding, ok, warning
from gateway.cli.checks.patient import Patient
from gateway.redis_url import parse_redis_url


class RedisTlsCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis TLS"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if not patient.redis_url:
            return
        address = parse_redis_url(patient.redis_url)
        scheme = patient.redis_url.partition(":")[0]
        hosts = [host for host, _ in address.hosts] or [urlsplit(address.plain).hostname or ""]
        if scheme == "unix":
            yield ok(self.subject, "by a Unix socket of this machine")
        elif scheme.startswith("rediss"):
            yield ok(self.subject, "the way to Redis is encrypted")
        elif far := [host for host in hosts if not _loopback(host)]:
            yield warning(
                self.subject,
                f"passwords and events go to {', '.join(far)} in clear",
                f"use rediss{scheme.removeprefix('redis')}://, or make sure that this network is your own",
            )
        else:
            yield ok(self.subject, "not needed: Redis is on this machine")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
