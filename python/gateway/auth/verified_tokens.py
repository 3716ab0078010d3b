"""Tokens that were verified lately, so that a client which comes back does not cost a signature again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from gateway.auth.identity import Identity
from gateway.types import Clock

MAX_TOKENS = 20_000
"""Verified tokens that are remembered, about 1 KB each; beyond it the one that was used longest ago goes. As many as
one process can hold connections, so that a reconnecting crowd finds all of its tokens."""


class TokenVerifier(Protocol):
    """Checks one kind of token."""

    def verify(self, token: str) -> Identity:
        """The identity that a token proves.

        Raises:
            TokenError: it proves nothing; `auth.keys.UnknownKeyError` where asking its issuer may change that.
            KeysAwayError: its issuer's keys cannot be had.
        """
        ...


class VerifiedTokens:
    """Keeps `TokenVerifier` in front of another one: what was good is good until it expires. For one event loop.

    It forgets everything when `version` changes, that is, when a key was withdrawn that some may be signed with.

    Only good tokens are remembered, so that nobody can fill it with bad ones, and under a digest, so that it holds no
    token that could be stolen from it. Whether a token was revoked meanwhile is not its business: that is asked at
    every connect (`auth.revocation`).
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        clock: Clock,
        *,
        max_tokens: int = MAX_TOKENS,
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        """`max_tokens` 0 remembers none; `version` is that of the verifier's keys (`JwtVerifier.version`)."""
        self._verifier = verifier
        self._clock = clock
        self._max_tokens = max_tokens
        self._version = version
        self._remembered = version()
        self._identities: OrderedDict[bytes, Identity] = OrderedDict()

    def verify(self, token: str) -> Identity:
        """See `TokenVerifier.verify`."""
        if (version := self._version()) != self._remembered:
            self._identities.clear()
            self._remembered = version
        # A lone surrogate cannot come over the wire, but must not be an error of another kind than a bad token either.
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        identity = self._identities.get(digest)
        if identity is not None:
            if self._clock.time() < identity.expires_at:
                self._identities.move_to_end(digest)
                return identity
            del self._identities[digest]
        identity = self._verifier.verify(token)
        self._identities[digest] = identity
        if len(self._identities) > self._max_tokens:
            self._identities.popitem(last=False)
        return identity
