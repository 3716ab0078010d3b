"""Query parameters that several routes have."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Query

from gateway.protocol.rights import SUBJECT_PATTERN
from gateway.types import MAX_ID

MOST: Final = 1000
"""Things of one page."""

Tenant = Annotated[int | None, Query(description="Of this tenant alone.", ge=1, le=MAX_ID)]
Branch = Annotated[int | None, Query(description="In this branch alone.", ge=1, le=MAX_ID)]
Session = Annotated[int | None, Query(description="Of this table session alone.", ge=1, le=MAX_ID)]
User = Annotated[
    str | None,
    # Pydantic's patterns know no \\A and \\Z, and its $ lets no newline pass.
    Query(description="Of this user alone.", pattern=SUBJECT_PATTERN.replace(r"\A", "^").replace(r"\Z", "$")),
]
TheTenant = Annotated[int, Query(alias="tenant", description="The tenant.", ge=1, le=MAX_ID)]
TheBranch = Annotated[int, Query(alias="branch", description="The branch.", ge=1, le=MAX_ID)]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=MOST)]
Cursor = Annotated[str | None, Query(description="`cursor` of the page before.", max_length=128)]
Nodes = Annotated[Literal["this", "all"], Query(description="Of this node, or of all.")]
