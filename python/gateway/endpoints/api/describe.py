"""What OpenAPI says of a route, from the structs that it reads and writes."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.endpoints.api.route import MEANINGS

_REF = "#/components/schemas/{name}"
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def describe(
    answer: Any, *statuses: HTTPStatus, body: Any = None, success: HTTPStatus = HTTPStatus.OK, what: str = "Done."
) -> dict[str, Any]:
    """Arguments of a route: what it answers, with which refusals beside those of every route, and what it reads.

    Args:
        answer: the type of the answer's body.
        statuses: refusals.
        body: the type of the request's body; None for none.
        success: the status of an answer that is no refusal.
        what: it says then.
    """
    refusals = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *statuses}
    if body is not None:
        refusals.add(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    responses: dict[int | str, dict[str, Any]] = {int(success): {"description": what, "content": _json(schema(answer))}}
    for status in sorted(refusals):
        responses[int(status)] = {"description": MEANINGS[status], "content": _json(_ERROR)}
    # Without it FastAPI says that malformed parameters are 422, which they are not here.
    responses["4XX"] = {"description": "Refused for another reason; `error` says why.", "content": _json(_ERROR)}
    described: dict[str, Any] = {"response_class": Response, "responses": responses, "status_code": int(success)}
    if body is not None:
        described["openapi_extra"] = {"requestBody": {"required": True, "content": _json(schema(body))}}
    return described


def schema(kind: Any) -> dict[str, Any]:
    """A type's JSON schema, with nothing referred to elsewhere."""
    (found,), components = msgspec.json.schema_components((kind,), ref_template=_REF)
    resolved: dict[str, Any] = _resolved(found, components)
    return resolved


def _resolved(part: Any, components: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        if isinstance(ref := part.get("$ref"), str):
            return _resolved(copy.deepcopy(components[ref.rsplit("/", 1)[1]]), components)
        return {name: _resolved(value, components) for name, value in part.items()}
    if isinstance(part, list):
        return [_resolved(value, components) for value in part]
    return part


def _json(found: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": found}}
