"""`gateway dlq`: what is no letter, and what is no choice, is refused before Redis is asked."""

from __future__ import annotations

import pytest

from gateway.broker.dead_letters_base import KeptLetter
from gateway.cli.dead_letters import HEADER, as_json, row, when
from tests.unit.cli.conftest import Run

NOWHERE = ("--redis-url", "redis://:s3cret@127.0.0.1:1/0")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "x"), "not a stream id"),
        (("replay", "1-0", "x"), "not a stream id"),
        (("replay",), "say which letters"),
        (("discard",), "say which letters"),
        (("replay", "1-0", "--all"), "say which letters"),
        (("replay", "1-0", "--reason", "failed"), "narrows --all"),
        (("discard", "--all"), "--yes"),
        (("list", "--limit", "-1"), "--limit"),
    ],
)
def test_what_is_no_choice_is_wrong_usage(run: Run, arguments: tuple[str, ...], says: str) -> None:
    ended = run("dlq", *arguments, *NOWHERE)
    assert (ended.status, ended.out) == (2, "")
    assert says in ended.sentence


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "1-0"), ("replay", "1-0"), ("discard", "--all", "--yes")], ids=" ".join
)
def test_a_redis_that_is_away_is_a_sentence(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run("dlq", *arguments, *NOWHERE)
    assert (ended.status, ended.out) == (1, "")
    assert "cannot be reached" in ended.err
    assert "s3cret" not in ended.err


def letter(event: bytes | None) -> KeptLetter:
    return KeptLetter("2-0", "1-0", event, None, "failed", "it failed", 3, "node-1", 0.0)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (b'{"type":"ROUND_READY","tenant_id":7,"branch_id":5}', ("7", "5", "ROUND_READY")),
        (b'{"type":["x"],"tenant_id":null}', ("None", "", "['x']")),
        (b"[]", ("", "", "")),
        (b"\xff", ("", "", "")),
        (b"[" * 100_000, ("", "", "")),
        (None, ("", "", "")),
    ],
)
def test_a_row_shows_what_can_be_read_of_an_event(event: bytes | None, shown: tuple[str, ...]) -> None:
    cells = row(letter(event))
    assert len(cells) == len(HEADER)
    assert cells[3:6] == shown


def test_an_event_that_is_no_text_is_escaped() -> None:
    assert as_json(letter(b"\xff{"))["event"] == "\\xff{"
    assert as_json(letter(None))["event"] is None


def test_a_time_is_a_date_while_there_are_dates() -> None:
    assert when(1_700_000_000.9) == "2023-11-14 22:13:20"
    assert when(1e15) == "1000000000000000"
