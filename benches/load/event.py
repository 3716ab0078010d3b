"""The numbered, time-stamped event that every server of the bench sends.

The load client checks each byte of it: the layout is that of `rust/fanout_load/src/event.rs`, where it is read.
"""

from __future__ import annotations

import time

_TEXT = '{{"type":"ROUND_READY","tenant_id":1,"branch_id":5,"seq":"{:020d}","sent":"{:020d}","pad":"{}"}}'

MIN_BYTES = len(_TEXT.format(0, 0, ""))
"""The shortest event, without padding."""


class EventFormat:
    """Events of exactly `size` bytes. Immutable, thread-safe."""

    def __init__(self, size: int) -> None:
        """Raises ValueError if `size` is under `MIN_BYTES` or over 65,535."""
        if not MIN_BYTES <= size <= 65_535:
            raise ValueError(f"an event of {size} bytes cannot be written; expected {MIN_BYTES} to 65535")
        self._pad = "x" * (size - MIN_BYTES)

    def write(self, sequence: int) -> str:
        """Event number `sequence`, stamped with now: `CLOCK_MONOTONIC`, which the client reads too."""
        return _TEXT.format(sequence, time.monotonic_ns(), self._pad)
