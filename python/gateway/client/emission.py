"""How one critical event gets into the stream, with or without an idempotency key."""

from __future__ import annotations

from typing import Final

from gateway.protocol.keys import seen_key

MAX_KEY_BYTES: Final = 256
"""An idempotency key's longest form in UTF-8: a UUID, an outbox id, or both, and not a payload."""

SEEN_SECONDS: Final = 86_400
"""How long a key is remembered. A producer that is retried later than this emits twice."""

EMIT: Final = """
local seen = redis.call('GET', KEYS[2])
if seen then return seen end
local id = redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
redis.call('SET', KEYS[2], id, 'EX', ARGV[2])
return id
"""
"""Atomic: of two producers that emit with one key at the same time, one adds the event and both get its id.

The two keys share a slot of a cluster: the hash tag of the second is the whole name of the first.
"""


def idempotency_key(key: str) -> str:
    """The Redis key that remembers an idempotency key.

    Raises:
        ValueError: it is empty, too long, or not text.
    """
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("an idempotency key must be text that UTF-8 can spell") from None
    if not 1 <= length <= MAX_KEY_BYTES:
        raise ValueError(f"an idempotency key has 1 to {MAX_KEY_BYTES} bytes, got {length}; give a UUID or a row's id")
    return seen_key(key)


def entry_id_in(reply: object) -> str:
    """The stream id in a reply, whether or not the client decodes replies."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)
