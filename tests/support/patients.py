"""Gateways to be examined by `gateway doctor`: healthy ones, from which tests take what is to be found."""

from __future__ import annotations

from typing import Any

from gateway.broker.server_facts import ServerFacts
from gateway.cli.checks.base import Check, Level
from gateway.cli.checks.patient import Patient
from gateway.settings import Settings

MIB = 1024 * 1024

PRODUCTION = {
    "GATEWAY_ENVIRONMENT": "production",
    "GATEWAY_JWT_SECRET": "j" * 40,
    "GATEWAY_TABLE_TOKEN_SECRET": "t" * 40,
    "GATEWAY_OPERATOR_KEY": "o" * 40,
    "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com,https://admin.example.com",
    "GATEWAY_REDIS_URL": "rediss+sentinel://redis.example:26379/main",
}
"""Settings with which nothing is wrong."""

SERVER = ServerFacts(
    where="redis.example:6380",
    software="Valkey",
    version="9.1.0",
    policy="noeviction",
    max_memory=1000 * MIB,
    used_memory=100 * MIB,
    append_only=True,
    write_faults=(),
    role="master",
    replicas=2,
    clustered=False,
    ahead=0.002,
    doubt=0.001,
)
"""A data server with which nothing is wrong."""


def patient(environ: dict[str, str] | None = None, **parts: Any) -> Patient:
    """A healthy gateway in production, but for what is given."""
    environ = PRODUCTION | (environ or {})
    settings = parts.pop("settings", None) or Settings.load(environ)
    healthy: dict[str, Any] = {"redis_url": settings.redis_url, "servers": (SERVER,)}
    return Patient(environ, settings, **(healthy | parts))


def developer(environ: dict[str, str] | None = None, **parts: Any) -> Patient:
    """A gateway on somebody's own machine, with no setting but the ones given and without a Redis yet."""
    return Patient(environ or {}, Settings.load(environ or {}), **parts)


def levels(check: Check, patient: Patient) -> list[Level]:
    """What it finds, by level."""
    findings = list(check.examine(patient))
    for finding in findings:
        assert finding.subject == check.subject
        assert finding.found
        assert bool(finding.advice) == (finding.level is not Level.OK), "each finding says what to do"
    return [finding.level for finding in findings]


def said(check: Check, patient: Patient) -> str:
    """Everything that it says of what is wrong."""
    levels(check, patient)
    return "\n".join(f"{f.found}; {f.advice}" for f in check.examine(patient) if f.level is not Level.OK)
