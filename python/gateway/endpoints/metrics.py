"""Metrics in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.endpoints.edge import Edge
from gateway.endpoints.operator import operator_only
from gateway.telemetry.metrics import CONTENT_TYPE


def metrics_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/ws/metrics`, for the operator."""
    router = APIRouter(tags=["metrics"])

    @router.get(
        "/ws/metrics",
        summary="Metrics in Prometheus' text format",
        dependencies=[Depends(operator_only(edge))],
        response_class=Response,
    )
    async def metrics() -> Response:
        return Response(await edge().metrics.scrape(), media_type=CONTENT_TYPE)

    return router
