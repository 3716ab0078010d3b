from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected

from gateway.server.bridge import Bridge
from tests.support.settle import settle


async def _connect() -> Any:
    return {"type": "websocket.connect"}


async def _send(message: Any) -> None:
    raise AssertionError(message)


async def test_the_class_channels_become_the_applications_and_its_end_the_class() -> None:
    bridge = Bridge()
    served = asyncio.create_task(bridge({}, _connect, _send))
    channels = await bridge.channels()
    assert channels.send is _send
    assert channels.receive is _connect
    await settle()
    assert not served.done()
    bridge.end(None)
    await served


async def test_the_applications_error_is_raised_where_the_class_sees_it() -> None:
    bridge = Bridge()
    served = asyncio.create_task(bridge({}, _connect, _send))
    await bridge.channels()
    bridge.end(RuntimeError("of the application"))
    with pytest.raises(RuntimeError, match="of the application"):
        await served


async def test_a_class_that_never_starts_it_is_a_client_that_left() -> None:
    bridge = Bridge()
    waiting = asyncio.create_task(bridge.channels())
    await settle()
    bridge.lost()
    bridge.lost()
    with pytest.raises(ClientDisconnected):
        await waiting
    with pytest.raises(ClientDisconnected):
        await bridge.channels()


async def test_a_connection_that_ends_before_anybody_asks_is_no_unheard_error() -> None:
    Bridge().lost()
    await settle()
