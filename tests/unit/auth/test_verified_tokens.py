from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.auth.identity import Identity
from gateway.auth.verified_tokens import VerifiedTokens
from gateway.errors import TokenError
from tests.support.clock import FakeClock
from tests.unit.hub.test_profiles import STAFF


class Counting:
    """Verifies by looking a token up in a table, and counts."""

    def __init__(self, **identities: Identity) -> None:
        self.identities = identities
        self.asked: list[str] = []

    def verify(self, token: str) -> Identity:
        self.asked.append(token)
        if token not in self.identities:
            raise TokenError("no such token")
        return self.identities[token]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_good_token_is_verified_once(clock: FakeClock) -> None:
    verifier = Counting(a=replace(STAFF, expires_at=clock.time() + 60), b=replace(STAFF, expires_at=clock.time() + 60))
    cached = VerifiedTokens(verifier, clock)
    assert [cached.verify(token).subject for token in "abab"] == ["12"] * 4
    assert verifier.asked == ["a", "b"]


def test_an_expired_token_is_judged_by_the_verifier_again(clock: FakeClock) -> None:
    verifier = Counting(a=replace(STAFF, expires_at=clock.time() + 60))
    cached = VerifiedTokens(verifier, clock)
    cached.verify("a")
    clock.advance(60)
    del verifier.identities["a"]
    with pytest.raises(TokenError):
        cached.verify("a")
    assert cached._identities == {}


def test_a_bad_token_is_never_remembered(clock: FakeClock) -> None:
    verifier = Counting()
    cached = VerifiedTokens(verifier, clock)
    for _ in range(2):
        with pytest.raises(TokenError):
            cached.verify("x\ud800")
    assert verifier.asked == ["x\ud800"] * 2
    assert not cached._identities


def test_the_token_that_was_used_longest_ago_goes_first(clock: FakeClock) -> None:
    verifier = Counting(**{name: replace(STAFF, expires_at=clock.time() + 60) for name in "abc"})
    cached = VerifiedTokens(verifier, clock, max_tokens=2)
    for token in "abac":
        cached.verify(token)
    cached.verify("a")
    assert verifier.asked == ["a", "b", "c"]
    cached.verify("b")
    assert verifier.asked == ["a", "b", "c", "b"]


def test_it_holds_no_token(clock: FakeClock) -> None:
    cached = VerifiedTokens(Counting(a=replace(STAFF, expires_at=clock.time() + 60)), clock)
    cached.verify("a")
    assert all(len(digest) == 32 for digest in cached._identities)


def test_everything_is_forgotten_when_a_key_is_withdrawn(clock: FakeClock) -> None:
    verifier = Counting(a=replace(STAFF, expires_at=clock.time() + 60))
    version = 0
    cached = VerifiedTokens(verifier, clock, version=lambda: version)
    cached.verify("a")
    version = 1
    del verifier.identities["a"]
    with pytest.raises(TokenError):
        cached.verify("a")
