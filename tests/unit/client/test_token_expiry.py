from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway.client.provider import checked_token
from gateway.client.token_expiry import seconds_left
from tests.support.tokens import staff_token, table_token


@pytest.mark.parametrize("issue", [staff_token, table_token])
def test_the_gateways_own_tokens_are_read(issue: Callable[..., str]) -> None:
    token = checked_token(issue(expires_in=3600))
    left = seconds_left(token, time.time())
    assert left is not None
    assert 3000 < left <= 3600


def test_without_iat_a_wrong_clock_cannot_be_made_up_for() -> None:
    token = "v1.eyJleHAiOiAxMDB9.s"  # {"exp": 100}
    assert seconds_left(token, 60) == 40
    assert seconds_left(token, 100) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c.d",
        "a.%.c",
        "a.bm90IGpzb24.c",  # not json
        "a.W10.c",  # []
        "a.e30.c",  # {}
        "a.eyJleHAiOiAic29vbiJ9.c",  # {"exp": "soon"}
    ],
)
def test_a_token_that_does_not_say_is_survived(token: str) -> None:
    assert seconds_left(token, 0) is None
