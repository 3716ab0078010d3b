"""The revoker for back ends that run on asyncio."""

from __future__ import annotations

import time
from typing import Any, Self

from gateway.client.asyncio_sender import AsyncioSender
from gateway.client.connecting import AsyncioClient
from gateway.client.revoking import WRITE, Revoked, lifetime, written
from gateway.protocol.rights import REVOKED_CHANNEL, Revocation, encode_revocation


class AsyncRevoker(AsyncioSender):
    """`Revoker` with the same methods, to be awaited; what is said there holds here. For one event loop.

    ```python
    async with AsyncRevoker.from_url("redis://127.0.0.1:6379/0") as revoker:
        await revoker.revoke_user(7, "12")
    ```

    Args:
        client: of redis.asyncio; the caller closes it.
        token_max_age: see `Revoker`.

    Raises:
        ValueError: `token_max_age` is negative.
    """

    def __init__(self, client: AsyncioClient, *, token_max_age: int = 86_400) -> None:
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

    async def revoke_token(self, jti: str) -> Revoked:
        """Revoke one staff token by its `jti`.

        Raises:
            ValueError: no such id can be; nothing was sent.
            redis.RedisError: Redis is away or refuses.
        """
        return await self._revoke(Revocation(jti=jti))

    async def revoke_user(self, tenant: int, user: str) -> Revoked:
        """Revoke all tokens that a user of a tenant has until now. Raises as `revoke_token`."""
        return await self._revoke(Revocation(tenant_id=tenant, user_id=user))

    async def revoke_session(self, tenant: int, session: int) -> Revoked:
        """Revoke all table tokens that a table session has until now. Raises as `revoke_token`."""
        return await self._revoke(Revocation(tenant_id=tenant, session_id=session))

    async def revoke_tenant(self, tenant: int) -> Revoked:
        """Revoke all tokens of a tenant, staff's and diners'. Raises as `revoke_token`."""
        return await self._revoke(Revocation(tenant_id=tenant))

    async def _revoke(self, revocation: Revocation) -> Revoked:
        announcement = encode_revocation(revocation)
        kept = await self._write(keys=[revocation.key], args=[written(time.time()), self._lifetime])
        # Behind it, so that whoever hears it finds the key.
        return Revoked(float(kept), int(await self._client.publish(REVOKED_CHANNEL, announcement)))
