from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import LimitError, NodeFullError
from gateway.fanout import create_fanout
from gateway.fanout.base import ConnectionIdentity, FanoutLimits, Membership
from gateway.hub.admission import Admission
from gateway.types import Room
from tests.support.sockets import FakeSocket
from tests.unit.hub.test_profiles import GUEST, STAFF


class Silent:
    """Listens to nothing."""

    def on_notices(self, notices: object) -> None: ...

    def on_occupancy(self, occupancy: object) -> None: ...


@pytest.fixture
def fanout():
    made = create_fanout("pure", FanoutLimits())
    made.bind(Silent())
    return made


def attach(fanout, identity, count: int) -> None:
    for _ in range(count):
        fanout.attach(
            FakeSocket(),
            [Membership(Room(identity.tenant, 5), ("branch:5:waiters",))],
            ConnectionIdentity(identity.tenant, identity.keys),
        )


async def test_the_limit_is_the_users_within_the_tenant(fanout) -> None:
    admission = Admission(fanout, node=0, per_user=3, per_session=20)
    attach(fanout, STAFF, 2)
    admission.check(STAFF)
    attach(fanout, STAFF, 1)
    with pytest.raises(LimitError, match="3 connections"):
        admission.check(STAFF)
    admission.check(replace(STAFF, subject="13"))
    admission.check(replace(STAFF, tenant=2))
    admission.check(GUEST)


async def test_a_table_session_has_its_own_limit(fanout) -> None:
    admission = Admission(fanout, node=0, per_user=1, per_session=2)
    attach(fanout, GUEST, 2)
    with pytest.raises(LimitError, match="table session"):
        admission.check(GUEST)


async def test_nought_is_unlimited(fanout) -> None:
    admission = Admission(fanout, node=0, per_user=0, per_session=0)
    attach(fanout, STAFF, 50)
    admission.check(STAFF)
    with admission.handshake():
        pass


async def test_a_handshake_holds_its_place_until_it_ends(fanout) -> None:
    admission = Admission(fanout, node=2, per_user=0, per_session=0)
    attach(fanout, STAFF, 1)
    with admission.handshake(), pytest.raises(NodeFullError), admission.handshake():
        pass
    with admission.handshake():
        attach(fanout, STAFF, 1)
    with pytest.raises(NodeFullError), admission.handshake():
        pass
