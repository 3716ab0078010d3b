"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.types import MAX_ID

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        show_default=False,
        help="Redis or Valkey, as redis://host:6379/0. Otherwise GATEWAY_REDIS_URL, otherwise the embedded server.",
    ),
]

Tenant = Annotated[int, typer.Option("--tenant", metavar="ID", min=1, max=MAX_ID, help="The tenant.")]

Expires = Annotated[
    int,
    typer.Option("--expires", metavar="SECONDS", min=1, help="How long the token is good for."),
]
