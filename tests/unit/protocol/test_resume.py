from __future__ import annotations

import pytest

from gateway.errors import ResumeError
from gateway.protocol.positions import ZERO, Position
from gateway.protocol.resume import MAX_BRANCHES, MAX_ENTRY, parse_resume
from gateway.types import MAX_ID

LONGEST = Position(f"{2**64 - 1}-{2**64 - 1}/0123abcd")


def test_branches_come_in_the_order_in_which_they_were_asked_for() -> None:
    asked = parse_resume(["6:1-0/0123abcd,5:0-0"])
    assert list(asked.items()) == [(6, "1-0/0123abcd"), (5, ZERO)]


@pytest.mark.parametrize("values", [[], [""]])
def test_nothing_asked_for_is_nothing(values: list[str]) -> None:
    assert parse_resume(values) == {}


def test_the_longest_entry_has_its_place_as_often_as_there_may_be_branches() -> None:
    branches = range(MAX_ID - MAX_BRANCHES + 1, MAX_ID + 1)
    entries = [f"{branch}:{LONGEST}" for branch in branches]
    assert max(map(len, entries)) == MAX_ENTRY
    assert list(parse_resume([",".join(entries)])) == list(branches)


@pytest.mark.parametrize(
    "value",
    [
        "5",
        "5:",
        ":0-0",
        "5:0-0,",
        ",5:0-0",
        "5:0-0,5:0-0",
        "05:0-0",
        "0:0-0",
        "-5:0-0",
        "+5:0-0",
        " 5:0-0",
        "5:0-0 ",
        "٥:0-0",
        f"{MAX_ID + 1}:0-0",
        "5:1-0",
        "5:1-0/",
        "5:1-0/0123ABCD",
        "5:0-0/0123abcd",
        "5:01-0/0123abcd",
        f"5:{2**64}-0/0123abcd",
        "5:1-0/0123abcd:6",
        "5:\ud800",
        ",".join(f"{branch}:0-0" for branch in range(1, MAX_BRANCHES + 2)),
        "5:" + "0" * 100_000,
    ],
)
def test_what_is_malformed_is_refused_and_not_repeated_to_the_client(value: str) -> None:
    with pytest.raises(ResumeError) as caught:
        parse_resume([value])
    assert value not in str(caught.value)


def test_a_parameter_that_stands_twice_is_refused() -> None:
    with pytest.raises(ResumeError, match="2 times"):
        parse_resume(["5:0-0", "6:0-0"])
