"""The two workers of a `gateway serve --workers 2`, as a scrape of any of them shows them."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.serve import START_SECONDS, ServeProcess


async def scrape(gateway: ServeProcess) -> dict[str, dict[str, float]]:
    """Of each metric the sum of its series by worker."""
    async with httpx.AsyncClient() as http:  # a new connection each time: it may be any worker's
        answer = await http.get(f"{gateway.http}/ws/metrics")
    assert answer.status_code == 200
    found: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name][sample.labels["worker"]] += sample.value
    return {name: dict(sums) for name, sums in found.items()}


async def both_up(gateway: ServeProcess) -> None:
    """Wait until a scrape shows two workers."""
    async with asyncio.timeout(START_SECONDS):
        while (await scrape_again(gateway)).get("gateway_worker_up") != {"0": 1, "1": 1}:
            await asyncio.sleep(0.1)


async def scrape_again(gateway: ServeProcess) -> dict[str, dict[str, float]]:
    """The same, while a worker is on its way in or out."""
    try:
        return await scrape(gateway)
    except httpx.HTTPError:
        return {}
