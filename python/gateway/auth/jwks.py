"""An issuer's keys by URL: cached, refreshed, rotated, and believed for a while when the issuer is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.auth.jwk_set import read_jwk_set
from gateway.auth.jwks_fetch import fetch_jwks
from gateway.auth.keys import UnknownKeyError, VerificationKey
from gateway.errors import KeysAwayError
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger
from gateway.types import Clock

REFRESH_SECONDS = 300.0
"""Between two fetches: a withdrawn key is believed at most this long, while the issuer can be asked."""

COOLDOWN_SECONDS = 5.0
"""Between two fetches for a key that is not known: whoever sends made-up `kid`s makes no more requests than this."""

STALE_SECONDS = 86_400.0
"""How long keys are believed while the issuer is away. Whoever can keep it away must not keep a withdrawn key alive."""

FETCH_SECONDS = 8.0
"""For one fetch; a join that waits for it has ten."""

_log = get_logger("gateway.auth.jwks")


class JwksKeys:
    """Keeps `KeySet` and `RefreshableKeys` for one URL. For one event loop; the fetch itself runs on a thread.

    However many ask at a time, there is one fetch.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        fetch: Callable[[str], bytes] = fetch_jwks,
        jitter: DecorrelatedJitter | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`url` has passed `check_jwks_url`; `fetch` blocks; `jitter`: the waits after a failure."""
        self.url = url
        self._clock = clock
        self._fetch = fetch
        self._jitter = jitter or DecorrelatedJitter(1.0, 60.0)
        self._sleep = sleep
        self._keys: dict[str | None, VerificationKey] = {}
        self._version = 0
        self._fetched_at: float | None = None  # monotonic, of the last good answer
        self._asked_at: float | None = None  # of the last attempt
        self._failure: KeysAwayError | None = None  # of the last attempt
        self._fetching: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """See `KeySet.version`."""
        return self._version

    def find(self, kid: str | None) -> VerificationKey:
        """See `KeySet.find`."""
        now = self._clock.monotonic()
        if self._fetched_at is not None and now - self._fetched_at >= STALE_SECONDS:
            raise KeysAwayError(f"the issuer's keys at {self.url} were not confirmed for {STALE_SECONDS:g} s")
        key = self._keys.get(kid)
        if key is None:
            raise UnknownKeyError(self)
        return key

    async def refresh(self) -> bool:
        """See `RefreshableKeys.refresh`."""
        if self._fetching is None:
            if self._asked_at is not None and self._clock.monotonic() - self._asked_at < COOLDOWN_SECONDS:
                if self._failure is not None:
                    raise self._failure
                return False
            self._fetching = asyncio.create_task(self._fetch_once(), name="jwks-fetch")
            self._fetching.add_done_callback(self._fetched)
        # Shielded: one that gives up must not take the answer from the others.
        await asyncio.shield(self._fetching)
        return True

    async def start(self) -> None:
        """Begin to keep the keys fresh, in the background; a second call does nothing."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="jwks-keeper")

    async def stop(self) -> None:
        """Fetch no more. A thread that is fetching ends by itself."""
        tasks = [task for task in (self._keeper, self._fetching) if task is not None]
        self._keeper = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with suppress(KeysAwayError):  # logged where it was fetched
                await self.refresh()
            await self._sleep(REFRESH_SECONDS if self._failure is None else self._jitter.next())

    async def _fetch_once(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            # The thread's own time-outs are per read; this bounds their sum.
            async with asyncio.timeout(FETCH_SECONDS):
                keys = read_jwk_set(await asyncio.to_thread(self._fetch, self.url))
        except KeysAwayError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(KeysAwayError(f"the issuer's keys at {self.url} did not come within {FETCH_SECONDS:g} s"))
        except ValueError as error:
            self._fail(KeysAwayError(f"the issuer's keys at {self.url}: {error}"))
        else:
            self._take(keys)

    def _take(self, keys: dict[str | None, VerificationKey]) -> None:
        # By their numbers: two objects of one key are two.
        if any(_numbers(keys.get(kid)) != _numbers(key) for kid, key in self._keys.items()):
            self._version += 1
        if keys.keys() != self._keys.keys():
            _log.info("the issuer's keys", url=self.url, kids=sorted(map(str, keys)))
        self._keys = keys
        self._fetched_at = self._clock.monotonic()
        self._failure = None
        self._jitter.reset()

    def _fail(self, error: KeysAwayError) -> None:
        self._failure = error
        _log.warning("the issuer's keys cannot be had; the known ones go on being believed", why=str(error))
        raise error

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns that it was not


def _numbers(key: VerificationKey | None) -> object:
    return None if key is None else (key.algorithm, _material(key))


def _material(key: VerificationKey) -> bytes:
    der: bytes = key.material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der
