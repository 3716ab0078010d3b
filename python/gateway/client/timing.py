"""How long the client waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds. The defaults are what the behaviour table of the clients asks for.

    Attributes:
        heartbeat: between two pings, where `welcome` does not say.
        answer_within: after a ping, until silence means that the connection is dead.
        welcome_within: from the start of an attempt (the token provider is part of it) to the `welcome`.
        stable_after: how long a connection must hold until the attempts before it are forgotten.
        first_wait: the most that is waited before the first attempt to come back; doubled for each further one.
        longest_wait: the most that is waited before any attempt.
        attempts: to come back, in a row; then the client gives up. 0: it never comes back.
    """

    heartbeat: float = 30.0
    answer_within: float = 10.0
    welcome_within: float = 20.0
    stable_after: float = 10.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    attempts: int = 50
