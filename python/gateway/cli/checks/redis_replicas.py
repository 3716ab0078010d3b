"""Is it a master that is spoken to, and is there one to take its place?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient
from gateway.redis_url import RedisKind, parse_redis_url


class RedisReplicasCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis replicas"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if not patient.servers:
            return
        kind = parse_redis_url(patient.redis_url).kind
        for server in patient.servers:
            if server.role != "master":
                yield problem(
                    self.subject,
                    f"{server.where} is a replica, which takes no writes",
                    "name its master, or its Sentinels by redis+sentinel://",
                )
            elif server.clustered and kind is not RedisKind.CLUSTER:
                yield problem(
                    self.subject,
                    f"{server.where} is one node of a cluster, and has part of the keys alone",
                    "write the URL as redis+cluster://",
                )
            elif server.replicas == 0 and kind is not RedisKind.SINGLE:
                yield warning(
                    self.subject,
                    f"{server.where} has no replica: when it dies nobody takes its place",
                    "add a replica of it",
                )
            elif server.replicas:
                yield ok(self.subject, f"{server.where} has {server.replicas}")
            elif patient.production:
                yield warning(
                    self.subject,
                    f"{server.where} is alone: when it dies nobody can connect until it is back",
                    "run a replica and Sentinels (redis+sentinel://), or a cluster",
                )
            else:
                yield ok(self.subject, f"{server.where} is alone, which production should not be")
