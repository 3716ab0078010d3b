"""`gateway revoke`: what is contradictory does not leave, and says why."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Run

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "say who"),
        (("--user", "12"), "say who"),
        (("--session", "77"), "say who"),
        (("--jti", "a", "--tenant", "1"), "give it alone"),
        (("--jti", "a", "--user", "12"), "give it alone"),
        (("--tenant", "1", "--user", "12", "--session", "77"), "not both"),
        (("--tenant", "0"), "--tenant"),
        (("--tenant", "1", "--session", "0"), "--session"),
        (("--tenant", "1", "--user", "a b"), "1 to 64"),
        (("--jti", "a b"), "printable"),
        (("--jti", ""), "printable"),
    ],
)
def test_it_says_what_is_wrong_and_sends_nothing(run: Run, options: tuple[str, ...], says: str) -> None:
    ended = run("revoke", *options, "--redis-url", NOWHERE)
    assert (ended.status, ended.out) == (2, "")
    assert says in ended.sentence


@pytest.mark.parametrize(
    "options",
    [("--jti", "a"), ("--tenant", "1"), ("--tenant", "1", "--user", "12"), ("--tenant", "1", "--session", "77")],
)
def test_every_form_gets_as_far_as_redis(run: Run, options: tuple[str, ...]) -> None:
    ended = run("revoke", *options, "--redis-url", "redis://:s3cret@127.0.0.1:1/0", GATEWAY_JWT_SECRET="not read")
    assert ended.status == 1
    assert "cannot be reached" in ended.err
    assert "s3cret" not in ended.err
