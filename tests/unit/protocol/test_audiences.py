from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.audiences import PATTERNS, AudienceKind, Channel, parse_channel
from gateway.types import MAX_ID


@given(st.sampled_from(AudienceKind), st.integers(1, MAX_ID))
def test_a_channel_is_spelled_like_its_audience(kind: AudienceKind, number: int) -> None:
    assert parse_channel(kind.of(number)) == Channel(kind, number)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "branch",
        "branch:5",
        "branch:5:chefs",
        "branch:5:kitchen ",
        " branch:5:kitchen",
        "branch:5:kitchen\n",
        "branch:05:kitchen",
        "branch:0:kitchen",
        "branch:-5:kitchen",
        "branch:+5:kitchen",
        "branch:5.0:kitchen",
        "branch:٥:kitchen",
        f"branch:{MAX_ID + 1}:kitchen",
        "branch:99999999999999999:kitchen",
        "branch::kitchen",
        "branch:5:6:kitchen",
        "sector:9",
        "sector:9:kitchen",
        "session:77:waiters",
        "session:*",
        "Session:77",
        "{tenant:1:branch:5}:live",
    ],
)
def test_a_channel_is_matched_whole_and_written_in_one_way(name: str) -> None:
    assert parse_channel(name) is None


@given(st.text(max_size=40))
def test_any_name_is_a_channel_or_none(name: str) -> None:
    channel = parse_channel(name)
    assert channel is None or channel.kind.of(channel.number) == name


def test_the_patterns_are_the_seeds_five() -> None:
    assert PATTERNS == (
        "branch:*:waiters",
        "branch:*:kitchen",
        "branch:*:admin",
        "sector:*:waiters",
        "session:*",
    )
