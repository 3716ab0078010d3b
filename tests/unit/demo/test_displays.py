"""What is shown, on both displays, and the last words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.demo.display import Display, PlainDisplay, Programme
from gateway.demo.entitlement import Publication
from gateway.demo.live_display import LiveDisplay
from gateway.demo.report import summary_lines
from gateway.demo.scoreboard import Arrival, Scoreboard
from gateway.demo.world import Persona, Post
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.types import Room

COOK = Persona("cook", Post.KITCHEN, 1, (5,))
PROGRAMME = Programme(
    "ws://127.0.0.1:8001", 6, 20, "gateway tail --as admin", "In a browser: http://127.0.0.1:8001/demo"
)


@pytest.fixture
def board() -> Scoreboard:
    """One delivery made, one on its way, one mistake on purpose."""
    board = Scoreboard()
    board.joined(1, COOK)
    room = Room(1, 5)
    for number in (1, 2):
        board.publishing(Publication(number, Channel(AudienceKind.KITCHEN, 5), "ROUND_READY", room), [1], 1.0)
    board.publishing(Publication(3, Channel(AudienceKind.KITCHEN, 6), "ROUND_READY", room, stray=True), [], 1.0)
    board.received(1, COOK, Arrival(1, "ROUND_READY", room), 1.002)
    return board


def _shown(kind: type[PlainDisplay | LiveDisplay], board: Scoreboard, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    display: Display = kind(console, board, PROGRAMME)
    with display:
        display.show(3.2)
    return out.getvalue()


def test_the_plain_display_writes_lines_without_any_control_character(board: Scoreboard) -> None:
    lines = _shown(PlainDisplay, board, terminal=False).splitlines()
    assert lines == [
        "An evening in 6 restaurants at ws://127.0.0.1:8001",
        "In a browser: http://127.0.0.1:8001/demo",
        "   3.2 s  connections 1  published 3  delivered 1/2  wrong 0  p50 2.0 ms p99 2.0 ms",
    ]


def test_the_live_display_shows_posts_numbers_and_the_latest_publications(board: Scoreboard) -> None:
    text = _shown(LiveDisplay, board, terminal=True)
    for expected in (
        "3 of 20 s",
        "In a browser: http://127.0.0.1:8001/demo",
        "/ws/kitchen",
        "ROUND_READY",
        "branch:6:kitchen",
        "a mistake on purpose",
        "on the way 1",
        "gateway tail --as admin",
    ):
        assert expected in text


def test_a_diners_words_are_not_markup(board: Scoreboard) -> None:
    board.last_event[Post.DINER] = "[/red]"
    assert "[/red]" in _shown(LiveDisplay, board, terminal=True)


def test_the_last_words_say_what_was_lost_and_that_it_was_not_perfect(board: Scoreboard) -> None:
    board.trouble("the cook [was] disconnected")
    lines = summary_lines(board.summary(), board.faults)
    assert "lost       1" in lines
    assert "published  3 (of these 1 mistakes on purpose, for nobody)" in lines
    assert "fault: the cook [was] disconnected" in lines
    assert lines[-1] == "this evening was not perfect"


def test_the_last_words_of_a_perfect_evening(board: Scoreboard) -> None:
    board.received(1, COOK, Arrival(2, "ROUND_READY", Room(1, 5)), 1.0)
    assert "every expected delivery came" in summary_lines(board.summary(), board.faults)[-1]
