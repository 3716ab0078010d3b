"""A line in the log for whatever an operator changes: who did it, and to whom."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from gateway.telemetry.logging import get_logger

_log = get_logger("gateway.api")


def journal(request: Request, action: str, **about: Any) -> None:
    """Write the line. `about` holds ids, never a payload."""
    _log.info("operator", action=action, key=request.state.holder.name, **about)
