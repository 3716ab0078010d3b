"""English sentences of the code, and what they are in Spanish.

A sentence is its own key, as in gettext. So one that changes in the code has no translation any more: it stands in the
page in English and in italics until somebody translates it, and a test finds the translation that nobody needs now.
"""

from __future__ import annotations

from scripts.spanish import metrics, settings, vocabulary

SENTENCES: dict[str, str] = {**vocabulary.SENTENCES, **settings.SENTENCES, **metrics.SENTENCES}

asked: set[str] = set()
"""Sentences that a table has asked for since the start of the process."""


def spanish(text: str) -> str:
    """The translation; without one the sentence itself, in italics."""
    asked.add(text)
    return SENTENCES.get(text, f"*{text}*")
