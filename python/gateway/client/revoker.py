"""The revoker for back ends that block."""

from __future__ import annotations

import time
from typing import Any, Self

from gateway.client.blocking_sender import BlockingSender
from gateway.client.connecting import BlockingClient
from gateway.client.revoking import WRITE, Revoked, lifetime, written
from gateway.protocol.rights import REVOKED_CHANNEL, Revocation, encode_revocation


class Revoker(BlockingSender):
    """Takes tokens back: refused from now on, and whoever is connected with one is closed with 4001 on every node.

    Tokens that are issued afterwards are good, but for those of the same second, since `iat` has whole seconds in most.
    As thread-safe as the client that it is given; redis-py's is. Errors of the client (`redis.RedisError`) come through
    as they are: repeat the call then, which does no harm.

    ```python
    with Revoker.from_url("redis://127.0.0.1:6379/0") as revoker:
        revoker.revoke_user(7, "12")
    ```

    Args:
        client: of redis-py; the caller closes it.
        token_max_age: the gateway's `GATEWAY_TOKEN_MAX_AGE`, by which a revocation knows when it is no longer needed.

    Raises:
        ValueError: `token_max_age` is negative.
    """

    def __init__(self, client: BlockingClient, *, token_max_age: int = 86_400) -> None:
        super().__init__(client)
        self._lifetime = lifetime(token_max_age)
        self._write = client.register_script(WRITE)

    @classmethod
    def from_url(cls, url: str, *, token_max_age: int = 86_400, **options: Any) -> Self:
        """A revoker with a client of its own, which `close` closes.

        Args:
            url: see `Publisher.from_url`.
            token_max_age: see the class.
            options: of redis-py; commands are not retried unless `retry` is given here.

        Raises:
            ValueError: the URL is malformed, or the client does not know one of its options.
        """
        return cls._opened(url, options, token_max_age=token_max_age)

    def revoke_token(self, jti: str) -> Revoked:
        """Revoke one staff token by its `jti`.

        Raises:
            ValueError: no such id can be; nothing was sent.
            redis.RedisError: Redis is away or refuses.
        """
        return self._revoke(Revocation(jti=jti))

    def revoke_user(self, tenant: int, user: str) -> Revoked:
        """Revoke all tokens that a user of a tenant has until now. Raises as `revoke_token`."""
        return self._revoke(Revocation(tenant_id=tenant, user_id=user))

    def revoke_session(self, tenant: int, session: int) -> Revoked:
        """Revoke all table tokens that a table session has until now. Raises as `revoke_token`."""
        return self._revoke(Revocation(tenant_id=tenant, session_id=session))

    def revoke_tenant(self, tenant: int) -> Revoked:
        """Revoke all tokens of a tenant, staff's and diners'. Raises as `revoke_token`."""
        return self._revoke(Revocation(tenant_id=tenant))

    def _revoke(self, revocation: Revocation) -> Revoked:
        announcement = encode_revocation(revocation)
        kept = self._write(keys=[revocation.key], args=[written(time.time()), self._lifetime])
        # Behind it, so that whoever hears it finds the key.
        return Revoked(float(kept), int(self._client.publish(REVOKED_CHANNEL, announcement)))
