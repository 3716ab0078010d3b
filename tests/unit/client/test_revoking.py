from __future__ import annotations

import pytest

from gateway.client import Revoker
from gateway.client.revoking import LONGEST_SECONDS, MARGIN_SECONDS, lifetime, written


def test_a_revocation_outlives_every_token_that_it_is_about_and_ends_all_the_same() -> None:
    assert lifetime(86_400) == 86_400 + MARGIN_SECONDS
    assert lifetime(0) == LONGEST_SECONDS
    assert lifetime(10**12) == LONGEST_SECONDS
    with pytest.raises(ValueError, match="token_max_age"):
        lifetime(-1)


def test_a_time_has_the_form_that_the_gateway_reads() -> None:
    assert written(1_800_000_000.25) == "1800000000.250000"


@pytest.mark.parametrize(
    "call",
    [
        lambda revoker: revoker.revoke_token("a b"),
        lambda revoker: revoker.revoke_user(7, "a:b"),
        lambda revoker: revoker.revoke_user(0, "12"),
        lambda revoker: revoker.revoke_session(7, -1),
        lambda revoker: revoker.revoke_tenant(2**53),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(call) -> None:
    with Revoker.from_url("redis://127.0.0.1:1/0") as revoker, pytest.raises(ValueError, match=r"."):
        call(revoker)
