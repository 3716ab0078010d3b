"""The gateway inside an application that you have: `uvicorn --app-dir examples mounted:app --port 8001`.

The gateway's routes live beside your own, and its lifespan inside yours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway import Gateway

gateway = Gateway()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Start what is yours before, stop it after: clients are connected only inside the block.
    async with gateway.lifespan(app):
        yield


app = FastAPI(title="Orders", lifespan=lifespan)
app.include_router(gateway.router)


@app.get("/orders/{order_id}")
async def order(order_id: int) -> dict[str, int]:
    return {"order_id": order_id}
