from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import GatewayError
from gateway.telemetry import workers as workers_module
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.worker_series import encode_metrics, render_workers
from gateway.telemetry.workers import WorkerMetrics

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(body: bytes) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@asynccontextmanager
async def worker(directory: Path, connections: int = 0) -> AsyncIterator[Metrics]:
    """One that has so many waiters connected."""
    metrics = Metrics()
    for _ in range(connections):
        metrics.on_connected("waiter", 1)
    metrics.workers = WorkerMetrics(directory, metrics.registry)
    await metrics.workers.start()
    try:
        yield metrics
    finally:
        await metrics.workers.stop()


def waiters(series: Series) -> dict[str, float]:
    """By worker."""
    return {
        dict(labels)["worker"]: value
        for (name, labels), value in series.items()
        if name == "gateway_connections" and ("endpoint", "waiter") in labels
    }


def up(series: Series) -> dict[str, float]:
    return {dict(labels)["worker"]: value for (name, labels), value in series.items() if name == "gateway_worker_up"}


async def test_a_scrape_of_any_worker_shows_all(directory: Path) -> None:
    async with worker(directory, 2) as first, worker(directory, 3) as second, worker(directory, 0) as third:
        for one in (first, second, third):
            series = parse(await one.scrape())
            assert waiters(series) == {"0": 2, "1": 3, "2": 0}
            assert up(series) == {"0": 1, "1": 1, "2": 1}


async def test_it_is_the_same_text_but_for_the_label(directory: Path) -> None:
    async with worker(directory, 1) as one:
        workers, one.workers = one.workers, None
        alone = parse(await one.scrape())
        one.workers = workers
        together = parse(await one.scrape())
    by_name = {(name, (*labels, ("worker", "0"))) for name, labels in alone}
    assert {(name, tuple(sorted(labels))) for name, labels in by_name} == {
        key for key in together if key[0] != "gateway_worker_up"
    }
    assert together["gateway_broadcast_seconds_bucket", (("le", "+Inf"), ("worker", "0"))] == 0


async def test_what_is_not_known_and_what_has_strange_labels_comes_over_unchanged() -> None:
    metrics = Metrics()
    metrics.set_build('0.1"\\\n', "pure")
    metrics.critical.on_lag(None)
    series = parse(render_workers({"7": encode_metrics(metrics.registry)}))
    assert math.isnan(series["gateway_relay_lag", (("worker", "7"),)])
    assert series["gateway_build_info", (("fanout", "pure"), ("version", '0.1"\\\n'), ("worker", "7"))] == 1


async def test_a_worker_that_comes_takes_the_lowest_free_place(directory: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(worker(directory, 1))
        async with worker(directory, 2):
            pass
        assert waiters(parse(await first.scrape())) == {"0": 1}, "who has stopped is not asked"
        await stack.enter_async_context(worker(directory, 3))
        assert waiters(parse(await first.scrape())) == {"0": 1, "1": 3}


async def test_one_that_died_leaves_its_place_and_is_seen_to_be_missing(directory: Path) -> None:
    async with worker(directory, 1) as first:
        dead = Metrics()
        dying = WorkerMetrics(directory, dead.registry)
        await dying.start()
        path = directory / "1.sock"
        held = path.with_suffix(".held")
        path.rename(held)  # so that stopping does not remove it: a process that is killed removes nothing
        await dying.stop()
        held.rename(path)
        series = parse(await first.scrape())
        assert (waiters(series), up(series)) == ({"0": 1}, {"0": 1, "1": 0})
        async with worker(directory, 4):
            series = parse(await first.scrape())
            assert (waiters(series), up(series)) == ({"0": 1, "1": 4}, {"0": 1, "1": 1})


async def test_one_that_hangs_hides_nobody_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(directory / "5.sock"))
        hanging.listen(1)  # connections are made, and nobody answers
        async with worker(directory, 1) as first, worker(directory, 2):
            series = parse(await first.scrape())
            assert waiters(series) == {"0": 1, "1": 2}
            assert up(series) == {"0": 1, "1": 1, "5": 0}


async def test_a_directory_that_others_may_enter_is_refused(directory: Path) -> None:
    directory.chmod(0o750)
    with pytest.raises(GatewayError, match="mode 0700"):
        await WorkerMetrics(directory, Metrics().registry).start()


async def test_a_directory_that_is_not_there_is_refused_with_what_to_do(directory: Path) -> None:
    with pytest.raises(GatewayError, match="it must exist"):
        await WorkerMetrics(directory / "none", Metrics().registry).start()
