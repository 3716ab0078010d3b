"""A check, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

from gateway.cli.checks.patient import Patient


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that was found.

    Attributes:
        level: `warning`: it works, and should not stay so; `problem`: it does not work, or not for long.
        subject: of the check.
        found: a sentence.
        advice: what to do; empty only where all is well.
    """

    level: Level
    subject: str
    found: str
    advice: str = ""


class Check(Protocol):
    """Looks at one subject. Without state, and without I/O: everything was gathered before."""

    subject: ClassVar[str]

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """What there is to say; nothing where another check has said it, or where there is nothing to look at."""
        ...


def ok(subject: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, found)


def warning(subject: str, found: str, advice: str) -> Finding:
    """It works, and should not stay so."""
    return Finding(Level.WARNING, subject, found, advice)


def problem(subject: str, found: str, advice: str) -> Finding:
    """It does not work, or not for long."""
    return Finding(Level.PROBLEM, subject, found, advice)
