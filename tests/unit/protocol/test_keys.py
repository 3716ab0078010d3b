from __future__ import annotations

import re

import pytest

from gateway.protocol import keys
from gateway.types import MAX_ID, Room

ROOM = Room(7, 5)


def test_the_names_are_those_of_the_reference() -> None:
    assert keys.history_key(ROOM) == "{tenant:7:branch:5}:history"
    assert keys.head_key(ROOM) == "{tenant:7:branch:5}:head"
    assert keys.fence_key(ROOM) == "{tenant:7:branch:5}:fence"
    assert keys.live_channel(ROOM) == "{tenant:7:branch:5}:live"
    assert keys.seen_key("order-1") == "{events:critical}:seen:order-1"


def test_what_one_script_touches_shares_a_hash_tag() -> None:
    def tag(name: str) -> str:
        # Redis Cluster specification, "Hash tags": what stands between the first brace and the next closing one.
        found = re.search(r"\{(.+?)\}", name)
        return found[1] if found else name

    makers = (keys.history_key, keys.head_key, keys.fence_key, keys.live_channel)
    assert len({tag(make(ROOM)) for make in makers}) == 1
    assert {tag(keys.LEASE), tag(keys.FENCE), tag(keys.seen_key("k"))} == {tag(keys.SOURCE)}


@pytest.mark.parametrize("room", [ROOM, Room(1, MAX_ID)])
def test_a_live_channel_leads_back_to_its_room(room: Room) -> None:
    assert keys.room_of_live_channel(keys.live_channel(room)) == room


@pytest.mark.parametrize(
    "name",
    [
        "",
        "{tenant:7:branch:5}:history",
        "{tenant:07:branch:5}:live",
        "{tenant:7:branch:0}:live",
        "{tenant:7:branch:-5}:live",
        "x{tenant:7:branch:5}:live",
        "{tenant:7:branch:5}:live\n",
        f"{{tenant:7:branch:{MAX_ID + 1}}}:live",
    ],
)
def test_another_name_is_no_live_channel(name: str) -> None:
    assert keys.room_of_live_channel(name) is None
