from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.auth.jwt import JwtVerifier
from gateway.auth.revocation import RevocationCheck, judge, keys_for
from gateway.auth.table_token import TableTokenVerifier
from gateway.errors import BrokerError, RevokedError, TokenError
from tests.support.forge import NOW, SECRET, STAFF, TABLE, ForgeClock, jwt_of, table_of

WAITER = JwtVerifier({None: SECRET}, 86_400, ForgeClock()).verify(jwt_of(STAFF))
DINER = TableTokenVerifier({None: SECRET}, 86_400, ForgeClock()).verify(table_of(TABLE))

BLACKLIST = "jwt:blacklist:0123456789abcdef"
USER = "{tenant:7}:revoked:user:12"
SESSION = "{tenant:7}:revoked:session:77"
EVERYBODY = "{tenant:7}:revoked:all"


@dataclass
class Store:
    values: dict[str, bytes] = field(default_factory=dict)
    calls: int = 0

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self.calls += 1
        return [self.values.get(key) for key in keys]


def test_the_keys_are_the_documented_ones() -> None:
    assert keys_for(WAITER) == (BLACKLIST, USER, EVERYBODY)
    assert keys_for(DINER) == (SESSION, EVERYBODY)


@pytest.mark.parametrize("identity", [WAITER, DINER])
async def test_nobody_is_revoked_by_an_empty_store_and_it_takes_one_round_trip(identity) -> None:
    store = Store()
    await RevocationCheck(store).check(identity)
    assert store.calls == 1


async def test_a_blacklisted_token_is_revoked_whatever_the_value() -> None:
    for value in (b"", b"1", b"true"):
        with pytest.raises(RevokedError):
            await RevocationCheck(Store({BLACKLIST: value})).check(WAITER)


@pytest.mark.parametrize(
    ("identity", "key"), [(WAITER, USER), (WAITER, EVERYBODY), (DINER, SESSION), (DINER, EVERYBODY)]
)
async def test_tokens_issued_until_the_revocation_are_refused_and_later_ones_not(identity, key: str) -> None:
    for seconds in (b"%d" % NOW, b"%d" % (NOW + 1), b"1800000000.5"):
        with pytest.raises(RevokedError):
            await RevocationCheck(Store({key: seconds})).check(identity)
    for seconds in (b"%d" % (NOW - 1), b"1799999999.999", b"0"):
        await RevocationCheck(Store({key: seconds})).check(identity)


async def test_another_users_sessions_and_tenants_revocation_is_not_ours() -> None:
    late = b"%d" % (NOW + 9)
    others = {
        "{tenant:7}:revoked:user:1": late,
        "{tenant:8}:revoked:user:12": late,
        "{tenant:8}:revoked:all": late,
        "jwt:blacklist:other": b"1",
        SESSION: late,
    }
    await RevocationCheck(Store(others)).check(WAITER)


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"1e3", b" 1", b"1\n", b"nan", b"inf", b"\xff", b"1" * 17])
async def test_what_is_no_time_revokes_and_is_logged(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(RevokedError):
        await RevocationCheck(Store({USER: value})).check(WAITER)
    assert "not a number of Unix seconds" in caplog.text


async def test_a_store_that_cannot_be_asked_lets_nobody_in() -> None:
    class Away(Store):
        async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
            raise BrokerError("Redis is away")

    with pytest.raises(BrokerError):
        await RevocationCheck(Away()).check(WAITER)


def test_a_store_that_answers_too_little_lets_nobody_in() -> None:
    with pytest.raises(ValueError, match="shorter"):
        judge(WAITER, [None])


def test_a_revoked_token_is_a_bad_token() -> None:
    assert issubclass(RevokedError, TokenError)
