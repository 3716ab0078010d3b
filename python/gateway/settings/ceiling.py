"""How many connections the process may hold."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from gateway.errors import SettingsError

if TYPE_CHECKING:
    from gateway.settings.model import Settings

DESCRIPTOR_RESERVE = 128
"""Descriptors kept for what is no client: listeners, Redis connections, event loop, log files, HTTP requests."""

UNLIMITED_DESCRIPTORS = 1_048_576
"""What an infinite limit is taken for: Linux' default `fs.nr_open`, above which no limit can be set."""


def descriptors() -> int:
    """Descriptors that the soft limit leaves for clients; 0 if it is below the reserve."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = UNLIMITED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(0, limit - DESCRIPTOR_RESERVE)


def connection_ceiling(settings: Settings) -> int:
    """The most connections of this process: `max_connections`, but never more than the descriptor limit leaves.

    One connection is one descriptor. Ask once at start, after whoever raises the limit has done so.

    Raises:
        SettingsError: the limit leaves nothing.
    """
    available = descriptors()
    if available == 0:
        raise SettingsError(
            f"the limit of open files leaves no connection: expected more than {DESCRIPTOR_RESERVE}; "
            "raise it (ulimit -n, LimitNOFILE=)"
        )
    return min(settings.max_connections or available, available)
