"""Is there a Redis, and can it be asked?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem
from gateway.cli.checks.patient import Patient
from gateway.redis_url import parse_redis_url, redact_url

_SET = "set GATEWAY_REDIS_URL to a Redis 7 or newer, or a Valkey, that all nodes share"


class RedisCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "Redis"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if not patient.redis_url:
            yield self._none(patient)
            return
        where = redact_url(patient.redis_url)
        if patient.redis_complaint:
            yield problem(
                self.subject,
                patient.redis_complaint,
                "until it answers, newcomers are closed with 1013; look at the server, the way to it, and the URL",
            )
        elif patient.embedded and patient.production:
            yield problem(
                self.subject, "GATEWAY_REDIS_URL is empty: the embedded server keeps its data for one process", _SET
            )
        elif patient.embedded:
            yield ok(self.subject, f"the embedded server of the gateway that runs here, {where}")
        else:
            masters = f", {len(patient.servers)} masters" if len(patient.servers) > 1 else ""
            yield ok(self.subject, f"{where} answers ({parse_redis_url(patient.redis_url).kind}{masters})")

    def _none(self, patient: Patient) -> Finding:
        if patient.production:
            return problem(
                self.subject, "GATEWAY_REDIS_URL is empty: the embedded server keeps its data for one process", _SET
            )
        if patient.embedding_complaint:
            return problem(
                self.subject, f"there is no Redis, and none can be started here: {patient.embedding_complaint}", _SET
            )
        return ok(self.subject, "none yet: `gateway serve` starts an embedded server")
