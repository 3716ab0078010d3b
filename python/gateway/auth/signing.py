"""With what tokens are signed here, and for how long: by commands, the demo and the console."""

from __future__ import annotations

from collections.abc import Mapping

Keys = Mapping[str | None, str]
"""Secrets by `kid`, as the settings have them."""


def signing_key(keys: Keys) -> tuple[str | None, str] | None:
    """The `kid` and the secret to sign with: the first. The others verify what was signed before a rotation.

    None where there is no secret: where issuers alone sign.
    """
    return next(iter(keys.items()), None)


def life_within(seconds: int, longest: int) -> int:
    """How long a token may live that is wanted for so many seconds; `longest` 0 is unlimited."""
    return min(seconds, longest or seconds)
