"""Keys by URL, with a fetch that the test answers; real HTTP is in tests/integration/test_issuers.py."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from gateway.auth.jwks import COOLDOWN_SECONDS, REFRESH_SECONDS, STALE_SECONDS, JwksKeys
from gateway.auth.keys import UnknownKeyError
from gateway.errors import KeysAwayError
from gateway.resilience.jitter import DecorrelatedJitter
from tests.support.clock import FakeClock
from tests.support.identity_provider import SigningKey

A, B = SigningKey("ES256", "a"), SigningKey("ES256", "b")


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.published: tuple[SigningKey, ...] = (A,)
        self.away = False
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waits: list[float] = []
        self._woken = asyncio.Event()
        self.keys = JwksKeys(
            "https://id.example.com/jwks",
            self.clock,
            fetch=self._fetch,
            jitter=DecorrelatedJitter(1, 60, lambda low, high: high),
            sleep=self._sleep,
        )

    def _fetch(self, url: str) -> bytes:
        assert url == "https://id.example.com/jwks"
        self.asked += 1
        assert self.gate.wait(10)
        if self.away:
            raise KeysAwayError("the issuer is away")
        return json.dumps({"keys": [key.jwk() for key in self.published]}).encode()

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._woken.clear()
        await self._woken.wait()

    async def keeper_waits(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.waits) < times:  # a thread answers
                await asyncio.sleep(0.001)

    async def next_fetch(self) -> None:
        self.clock.advance(self.waits[-1])
        self._woken.set()
        await self.keeper_waits(len(self.waits) + 1)

    def later(self, seconds: float = COOLDOWN_SECONDS) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_the_first_unknown_key_is_asked_for(rig: Rig) -> None:
    with pytest.raises(UnknownKeyError) as unknown:
        rig.keys.find("a")
    assert await unknown.value.keys.refresh()
    assert rig.keys.find("a").algorithm == "ES256"


async def test_a_rotated_key_is_asked_for_and_the_old_one_goes(rig: Rig) -> None:
    await rig.keys.refresh()
    rig.published = (B,)
    rig.later()
    assert await rig.keys.refresh()
    assert rig.keys.find("b")
    with pytest.raises(UnknownKeyError):
        rig.keys.find("a")


async def test_however_many_ask_there_is_one_fetch(rig: Rig) -> None:
    rig.gate.clear()
    asking = [asyncio.create_task(rig.keys.refresh()) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    rig.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert rig.asked == 1
    assert answers[1:] == [True] * 49, "one that gave up took nothing from the others"


async def test_made_up_names_cause_no_more_than_one_fetch_per_cooldown(rig: Rig) -> None:
    await rig.keys.refresh()
    for _ in range(100):
        assert not await rig.keys.refresh()
    assert rig.asked == 1
    rig.later()
    assert await rig.keys.refresh()
    assert rig.asked == 2


async def test_known_keys_go_on_being_believed_while_the_issuer_is_away_but_not_for_ever(rig: Rig) -> None:
    await rig.keys.refresh()
    rig.away = True
    rig.later(STALE_SECONDS - 1)
    with pytest.raises(KeysAwayError):
        await rig.keys.refresh()
    assert rig.keys.find("a")
    rig.later(1)
    with pytest.raises(KeysAwayError, match="not confirmed"):
        rig.keys.find("a")
    rig.away = False
    rig.later()
    await rig.keys.refresh()
    assert rig.keys.find("a")


async def test_an_unknown_key_is_no_bad_token_while_the_issuer_cannot_be_asked(rig: Rig) -> None:
    rig.away = True
    for _ in range(3):  # the second and third within the cooldown
        with pytest.raises(KeysAwayError):
            await rig.keys.refresh()
    assert rig.asked == 1


async def test_rubbish_keeps_the_known_keys(rig: Rig) -> None:
    await rig.keys.refresh()
    rig.published = ()
    rig.later()
    with pytest.raises(KeysAwayError, match="no key"):
        await rig.keys.refresh()
    assert rig.keys.find("a")


async def test_the_version_goes_up_when_a_key_goes_or_changes_and_not_when_one_comes(rig: Rig) -> None:
    await rig.keys.refresh()
    first = rig.keys.version
    for published, changes in (((A, B), 0), ((B, A), 0), ((B,), 1), ((B, A), 1), ((SigningKey("ES256", "b"), A), 2)):
        rig.published = published
        rig.later()
        await rig.keys.refresh()
        assert rig.keys.version == first + changes


async def test_it_is_kept_fresh_in_the_background_and_asked_more_often_after_a_failure(rig: Rig) -> None:
    await rig.keys.start()
    await rig.keeper_waits(1)
    assert rig.keys.find("a")
    rig.published = (B,)
    await rig.next_fetch()
    assert rig.keys.find("b")
    rig.away = True
    await rig.next_fetch()
    rig.later()
    await rig.next_fetch()
    rig.away = False
    rig.later()
    await rig.next_fetch()
    assert rig.waits == [REFRESH_SECONDS, REFRESH_SECONDS, 3, 9, REFRESH_SECONDS]
    await rig.keys.stop()


async def test_a_stop_does_not_wait_for_an_issuer_that_hangs(rig: Rig) -> None:
    rig.gate.clear()
    await rig.keys.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await rig.keys.stop()
    rig.gate.set()
