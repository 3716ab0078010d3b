"""Fanout Gateway: a multi-tenant WebSocket gateway over Redis.

`create_app(settings)` is the whole gateway as a FastAPI application; `Gateway` mounts it in an application of yours.
All are loaded on first use, so that a back end which imports `gateway.client` alone pays for that alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.app import Gateway, create_app
    from gateway.settings import Settings

__all__ = ["Gateway", "Settings", "create_app"]

_HOMES = {"Gateway": "gateway.app", "create_app": "gateway.app", "Settings": "gateway.settings"}


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    return getattr(import_module(home), name)
