"""Nodes that were asked and did not answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.cli.listing import printable
from gateway.cli.speech import note


def silent_nodes(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Their names, each once."""
    return sorted({str(name) for answer in answers for name in answer.get("silent") or ()})


def note_silent(answers: Iterable[Mapping[str, Any]]) -> None:
    """Say whose part is missing, if anybody's is."""
    if silent := silent_nodes(answers):
        note(f"no answer in time from {printable(', '.join(silent))}: what is there is missing here")
