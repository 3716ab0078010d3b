"""English sentences of the code, and what they are in Spanish.

A sentence is its own key, as in gettext. So one that changes in the code has no translation any more: it stands in the
page in English and in italics until somebody translates it; `make docs` names it, and the translation that nobody needs
any more.
"""

from __future__ import annotations

from scripts.spanish import metrics, redis_names, settings, vocabulary

SENTENCES: dict[str, str] = {
    **vocabulary.SENTENCES,
    **settings.SENTENCES,
    **metrics.SENTENCES,
    **redis_names.SENTENCES,
}

asked: set[str] = set()
"""Sentences that a table has asked for since the start of the process."""


def spanish(text: str) -> str:
    """The translation; without one the sentence itself, in italics."""
    asked.add(text)
    return SENTENCES.get(text, f"*{text}*")


def untranslated() -> list[str]:
    """Sentences that have been asked for and have no translation."""
    return sorted(asked - SENTENCES.keys())


def unused() -> list[str]:
    """Translations that nobody has asked for."""
    return sorted(SENTENCES.keys() - asked)
