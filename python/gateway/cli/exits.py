"""Exit statuses, the same for every command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command says to the shell."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


EXIT_STATUSES: dict[ExitStatus, str] = {
    ExitStatus.DONE: "done",
    ExitStatus.FAILED: "it was tried, and failed; standard error says why",
    ExitStatus.WRONG_USAGE: "wrong usage, or settings that are missing, malformed or unsafe; nothing was tried",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C before it was done",
}
"""What each means, for the documentation."""
