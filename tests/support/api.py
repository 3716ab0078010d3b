"""Asking the operator API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.support.gateway import RunningGateway

READ, PUBLISH, OPERATE = (f"key to {scope} of more than 32 bytes" for scope in ("read", "publish", "operate"))
OPERATOR = "key of the operator of more than 32 bytes"

KEYS = {
    "api_read_keys": f"dashboard:{READ}",
    "api_publish_keys": f"orders:{PUBLISH}",
    "api_operate_keys": f"support:{OPERATE}",
    "operator_key": OPERATOR,
}
"""Settings of a gateway with one key for each scope, and one for all."""


class Api:
    """Asks one node with one key."""

    def __init__(self, http: httpx.AsyncClient, gateway: RunningGateway, key: str | None = OPERATOR) -> None:
        self._http = http
        self._base = f"{gateway.http}/api/v1"
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self._headers | options.pop("headers", {})
        return await self._http.request(method, self._base + path, headers=headers, **options)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.ask("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any, **options: Any) -> Any:
        response = await self.ask("POST", path, json=body, **options)
        assert response.status_code == 200, response.text
        return response.json()


async def eventually(look: Callable[[], Awaitable[Any]], expected: Any, seconds: float = 15.0) -> None:
    """Look again until it is as expected: what happened on a socket is known to the node a moment later."""
    found = await look()
    try:
        async with asyncio.timeout(seconds):
            while found != expected:
                await asyncio.sleep(0.02)
                found = await look()
    except TimeoutError:
        assert found == expected
