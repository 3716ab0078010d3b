"""Events that could not be delivered: to look at, to send again, to throw away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from gateway.broker.dead_letters_base import DeadLetters
from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer, body_of
from gateway.endpoints.api.dead_letter_views import (
    MOST_REPLAYS,
    Discarded,
    Letter,
    Letters,
    ReplayBody,
    Replayed,
    ReplayResult,
    ReplayResults,
)
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.journal import journal
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parameters import Cursor, Limit
from gateway.endpoints.api.route import BUSY, MISSING, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError, DeadLetterGoneError, EventRefusedError, NotThereError
from gateway.protocol.positions import parse_id

_GONE = "no such letter is in the queue; it was replayed, discarded, or made room for newer ones"
_Id = Annotated[str, Path(description="The letter's id in the queue.", max_length=41)]


def dead_letters_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/dlq`."""
    router = APIRouter(route_class=ApiRoute)
    reading, operating = needs(edge, Scope.READ), needs(edge, Scope.OPERATE)

    @router.get(
        "/dlq", summary="Events that could not be delivered", dependencies=reading, **describe(Letters, UNAVAILABLE)
    )
    async def letters(limit: Limit = 100, cursor: Cursor = None) -> Response:
        if cursor is not None:
            _check_id(cursor, "`cursor`")
        page = await edge().api.dead_letters.list(cursor, limit)
        return answer(Letters([Letter.of(kept) for kept in page.letters], page.cursor))

    @router.post(
        "/dlq/replay",
        summary="Send several of them again",
        dependencies=operating,
        **describe(ReplayResults, BUSY, UNAVAILABLE, body=ReplayBody, what="Each was sent again, or not."),
    )
    async def replay_several(request: Request) -> Response:
        body = await body_of(request, ReplayBody)
        results, more = await _replay_several(edge().api.dead_letters, body)
        journal(
            request, "replay", letters=len(results), replayed=sum(result.event_id is not None for result in results)
        )
        return answer(ReplayResults(results, more))

    @router.get(
        "/dlq/{id}",
        summary="One of them",
        dependencies=reading,
        **describe(Letter, MISSING, UNAVAILABLE),
    )
    async def letter(id: _Id) -> Response:  # noqa: A002 - the name in the path
        _check_id(id, "the id")
        kept = await edge().api.dead_letters.get(id)
        if kept is None:
            raise _gone()
        return answer(Letter.of(kept))

    @router.post(
        "/dlq/{id}/replay",
        summary="Send one of them again",
        dependencies=operating,
        **describe(Replayed, MISSING, BUSY, UNAVAILABLE),
    )
    async def replay(request: Request, id: _Id) -> Response:  # noqa: A002
        _check_id(id, "the id")
        event_id = await edge().api.dead_letters.replay(id)
        journal(request, "replay", letter=id, event_id=event_id)
        return answer(Replayed(event_id))

    @router.delete(
        "/dlq/{id}",
        summary="Throw one of them away",
        dependencies=operating,
        **describe(Discarded, MISSING, UNAVAILABLE),
    )
    async def discard(request: Request, id: _Id) -> Response:  # noqa: A002
        _check_id(id, "the id")
        discarded = await edge().api.dead_letters.discard(id)
        journal(request, "discard", letter=id, discarded=discarded)
        if not discarded:
            raise _gone()
        return answer(Discarded(discarded))

    return router


async def _replay_several(queue: DeadLetters, body: ReplayBody) -> tuple[list[ReplayResult], bool]:
    """What became of each, and whether there are more of `all`."""
    if (body.ids is not None) == body.all:
        raise BadRequestError('the body names no letters, or too many; expected {"ids":[…]} or {"all":true}')
    ids, more = body.ids or [], False
    for letter_id in ids:
        _check_id(letter_id, "an id")
    if body.all:
        page = await queue.list(None, MOST_REPLAYS, oldest_first=True)
        ids, more = [kept.id for kept in page.letters], page.cursor is not None
    return [await _replayed(queue, letter_id) for letter_id in ids], more


async def _replayed(queue: DeadLetters, letter_id: str) -> ReplayResult:
    try:
        return ReplayResult(letter_id, event_id=await queue.replay(letter_id))
    except (DeadLetterGoneError, EventRefusedError) as error:
        return ReplayResult(letter_id, error=str(error))


def _gone() -> NotThereError:
    return NotThereError("no such letter is in the queue; it was replayed, discarded, or made room for newer ones")


def _check_id(text: str, what: str) -> None:
    try:
        parse_id(text)
    except ValueError:
        raise BadRequestError(
            f"{what} is no stream id; expected <milliseconds>-<sequence>, as the list shows it"
        ) from None
