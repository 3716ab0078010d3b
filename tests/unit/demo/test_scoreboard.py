"""The scoreboard believes nothing: each kind of wrong delivery is counted as one."""

from __future__ import annotations

import pytest

from gateway.demo.entitlement import Publication
from gateway.demo.scoreboard import MAX_FAULTS, Arrival, Scoreboard
from gateway.demo.world import Persona, Post
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.types import Room

ROOM = Room(1, 5)
COOK = Persona("cook", Post.KITCHEN, 1, (5,))


def _publication(number: int) -> Publication:
    return Publication(number, Channel(AudienceKind.KITCHEN, 5), "ROUND_READY", ROOM)


def _arrival(number: int, room: Room = ROOM) -> Arrival:
    return Arrival(number, "ROUND_READY", room)


@pytest.fixture
def board() -> Scoreboard:
    """A board with guests 1 and 2."""
    board = Scoreboard()
    board.joined(1, COOK)
    board.joined(2, COOK)
    return board


def test_a_delivery_that_was_expected_counts_with_its_delay(board: Scoreboard) -> None:
    board.publishing(_publication(1), [1, 2], 10.0)
    board.received(1, COOK, _arrival(1), 10.25)
    assert (board.delivered, board.outstanding, board.owed(1), board.owed(2)) == (1, 1, 0, 1)
    assert not board.summary().perfect
    board.received(2, COOK, _arrival(1), 10.75)
    summary = board.summary()
    assert summary.perfect
    assert summary.latency is not None
    assert summary.latency == (0.25, 0.75)
    assert board.by_post[Post.KITCHEN] == 2


@pytest.mark.parametrize(
    ("arrival", "words"),
    [
        (_arrival(1, Room(2, 5)), "another tenant"),
        (_arrival(1, Room(1, 6)), "another branch"),
        (_arrival(2), "does not give it"),
        (_arrival(99), "does not give it"),
    ],
)
def test_what_nobody_asked_for_is_wrong(board: Scoreboard, arrival: Arrival, words: str) -> None:
    board.publishing(_publication(1), [1], 0.0)
    board.publishing(_publication(2), [2], 0.0)
    board.received(1, COOK, arrival, 0.0)
    assert (board.wrong, board.delivered) == (1, 0)
    assert words in board.faults[0]
    assert not board.summary().perfect


def test_the_same_one_twice_is_wrong_even_when_everybody_has_it(board: Scoreboard) -> None:
    board.publishing(_publication(1), [1], 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    assert (board.delivered, board.wrong) == (1, 1)


def test_an_older_one_after_a_newer_one_is_wrong(board: Scoreboard) -> None:
    board.publishing(_publication(1), [1], 0.0)
    board.publishing(_publication(2), [1], 0.0)
    board.received(1, COOK, _arrival(2), 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    assert (board.delivered, board.wrong, board.summary().lost) == (1, 1, 1)


def test_rooms_have_an_order_each(board: Scoreboard) -> None:
    owner = Persona("owner", Post.ADMIN, 1, (5, 6))
    board.joined(3, owner)
    board.publishing(_publication(1), [3], 0.0)
    board.publishing(Publication(2, Channel(AudienceKind.ADMIN, 6), "ROUND_READY", Room(1, 6)), [3], 0.0)
    board.received(3, owner, _arrival(2, Room(1, 6)), 0.0)
    board.received(3, owner, _arrival(1), 0.0)
    assert (board.delivered, board.wrong) == (2, 0)


def test_what_never_came_is_lost(board: Scoreboard) -> None:
    board.publishing(_publication(1), [1, 2], 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    summary = board.summary()
    assert (summary.lost, summary.wrong) == (1, 0)
    assert not summary.perfect


def test_trouble_alone_spoils_the_evening(board: Scoreboard) -> None:
    board.publishing(_publication(1), [1], 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    board.trouble("somebody was disconnected")
    assert not board.summary().perfect
    assert board.faults == ["somebody was disconnected"]


def test_an_evening_without_any_expectation_proves_nothing(board: Scoreboard) -> None:
    assert not board.summary().perfect


def test_strays_are_published_for_nobody(board: Scoreboard) -> None:
    stray = Publication(1, Channel(AudienceKind.KITCHEN, 6), "ROUND_READY", ROOM, stray=True)
    board.publishing(stray, [], 0.0)
    board.received(1, COOK, _arrival(1), 0.0)
    assert (board.published, board.strays, board.expected, board.wrong) == (1, 1, 0, 1)


def test_connections_are_counted_by_post(board: Scoreboard) -> None:
    board.left(1, COOK)
    assert board.connections[Post.KITCHEN] == 1


def test_faults_are_kept_in_words_up_to_a_bound_and_counted_beyond(board: Scoreboard) -> None:
    for _ in range(MAX_FAULTS + 5):
        board.received(1, COOK, _arrival(1), 0.0)
    assert len(board.faults) == MAX_FAULTS
    assert board.wrong == MAX_FAULTS + 5
