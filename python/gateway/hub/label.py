"""What a core keeps beside a connection for the hub, so that Python keeps nothing per connection."""

from __future__ import annotations

import msgspec

from gateway.hub.profiles import PROFILES, EndpointProfile


class Label(msgspec.Struct, frozen=True, array_like=True):
    """How a connection came: its endpoint, where its sectors are from, since when, its token's age, and its place.

    Attributes:
        endpoint: name of the profile.
        sectors_from_token: whether the token's own claim stands instead of the sector directory.
        since: Unix seconds of the connect.
        issued_at: `iat` of the token, Unix seconds: a revocation spares tokens that were issued after it.
        place: number of its place among the limits over all nodes; 0 if it has none.
    """

    endpoint: str
    sectors_from_token: bool
    since: int
    issued_at: float
    place: int

    @property
    def profile(self) -> EndpointProfile:
        """The endpoint's profile."""
        return PROFILES[self.endpoint]

    def encode(self) -> bytes:
        """At most some 60 bytes; a core allows 128."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Label:
        """The reverse of `encode`."""
        return msgspec.json.decode(data, type=cls)
