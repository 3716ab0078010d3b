"""What can go wrong with a bench, as opposed to with what it measures."""

from __future__ import annotations


class BenchError(Exception):
    """The bench cannot go on, or a check of what it measures failed; the sentence says which and what to do."""
