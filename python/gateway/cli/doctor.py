"""`gateway doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gateway.cli.checks.base import Check, Finding, Level
from gateway.cli.checks.clocks import ClocksCheck
from gateway.cli.checks.core import CoreCheck
from gateway.cli.checks.gathering import gather
from gateway.cli.checks.open_files import OpenFilesCheck
from gateway.cli.checks.origins import OriginsCheck
from gateway.cli.checks.patient import Patient
from gateway.cli.checks.redis import RedisCheck
from gateway.cli.checks.redis_memory import RedisMemoryCheck
from gateway.cli.checks.redis_permissions import RedisPermissionsCheck
from gateway.cli.checks.redis_persistence import RedisPersistenceCheck
from gateway.cli.checks.redis_replicas import RedisReplicasCheck
from gateway.cli.checks.redis_tls import RedisTlsCheck
from gateway.cli.checks.redis_version import RedisVersionCheck
from gateway.cli.checks.secrets import SecretsCheck
from gateway.cli.checks.settings import SettingsCheck
from gateway.cli.exits import ExitStatus
from gateway.cli.listing import AsJson, print_json, print_rows, printable
from gateway.cli.options import RedisUrl
from gateway.cli.speech import examples, note

EXAMPLES = examples(
    "gateway doctor",
    "gateway doctor --strict --redis-url rediss://gateway:...@redis.example:6380/0",
    "gateway doctor --json | jq 'select(.level != \"ok\")'",
)

CHECKS: Final[tuple[Check, ...]] = (
    SettingsCheck(),
    SecretsCheck(),
    OriginsCheck(),
    OpenFilesCheck(),
    CoreCheck(),
    RedisCheck(),
    RedisVersionCheck(),
    RedisMemoryCheck(),
    RedisPersistenceCheck(),
    RedisReplicasCheck(),
    RedisTlsCheck(),
    RedisPermissionsCheck(),
    ClocksCheck(),
)
"""In the order in which they are read."""

_STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def doctor(
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail because of warnings too.")] = False,
    json: AsJson = False,
    redis_url: RedisUrl = None,
) -> None:
    """Look at everything that a gateway needs here, and say of each finding what to do about it.

    It looks at settings, secrets, allowed origins, the limit of open files and the core, and asks Redis for its
    version, memory, persistence, replicas, clock, and whether the user in the URL may do what a gateway does: by
    commands that change nothing. Run it as the user and in the environment in which the gateway runs. Exit status: 0
    when nothing is wrong, 1 when there is a problem, or with --strict a warning. In a pipe there is one finding a line,
    its columns separated by tabs: level, subject, finding, what to do.
    """
    findings = examine(gather(os.environ, redis_url))
    if json:
        for finding in findings:
            print_json(finding._asdict())
    elif sys.stdout.isatty():
        _show(findings)
    else:
        print_rows(("level", "subject", "finding", "what to do"), findings)
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    note(f"problems: {problems}, warnings: {warnings}")
    if problems or (strict and warnings):
        raise typer.Exit(ExitStatus.FAILED)


def examine(patient: Patient) -> list[Finding]:
    """What all checks find."""
    return [finding for check in CHECKS for finding in check.examine(patient)]


def _show(findings: Sequence[Finding]) -> None:
    console = Console()
    for finding in findings:
        line = Text(f"{finding.level:<8} ", style=_STYLES[finding.level])
        line.append(f"{finding.subject}: ", style="bold")
        line.append(printable(finding.found), style="default")
        console.print(line)
        if finding.advice:
            console.print(Padding(Text(f"→ {printable(finding.advice)}", style="italic"), (0, 0, 0, 9)))
