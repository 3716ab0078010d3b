"""What a list leaves out: what was beyond its limit, and what nodes did not answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def note_left_out(pages: Sequence[Mapping[str, Any]], limit: int) -> None:
    """Say where a list of pages ends before its end, and whose part is missing."""
    if pages[-1].get("cursor") is not None:
        note(f"the list ends after {limit}, and there may be more; --limit 0 shows every one")
    note_silent(pages)
