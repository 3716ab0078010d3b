"""What waits for one connection, as far as the event loop knows."""

from __future__ import annotations

import pytest

from gateway.types import ConnectionId
from tests.support.fanout_rig import KINDS, Kind, running
from tests.support.settle import settle


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
async def test_what_waits_for_a_slow_client_is_told_where_it_is_known(kind: Kind) -> None:
    async with running(kind) as rig:
        slow = rig.connect()
        slow.socket.stall()
        for number in range(4):
            rig.submit(number, padding=1000)
        await settle()
        waiting = rig.fanout.waiting(slow.id)
        if rig.native:
            assert waiting is None, "its reactor alone knows"
        else:
            assert waiting == rig.outbox_bytes > 3000
        assert rig.fanout.waiting(ConnectionId(99)) is None
        slow.socket.resume()
        await settle()
        assert rig.fanout.waiting(slow.id) == (None if rig.native else 0)
