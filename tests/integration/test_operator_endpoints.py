"""Health, readiness and metrics, and who may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

KEY = "operator key of more than thirty-two bytes"
CLOSED = ("/ws/health/detailed", "/ws/metrics")


@pytest.fixture(scope="module")
def keyed(valkey: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(valkey.url, operator_key=KEY) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as opened:
        yield opened


async def test_liveness_needs_nothing(keyed: RunningGateway, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{keyed.http}/ws/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {KEY}", KEY, "Bearer", "Bearer ñ"])
async def test_with_a_key_only_the_key_opens(
    path: str, authorization: str | None, keyed: RunningGateway, http: httpx.AsyncClient
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    answer = await http.get(f"{keyed.http}{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await http.get(f"{keyed.http}{path}", headers={"Authorization": f"Bearer {KEY}"})).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
async def test_without_a_key_they_are_open_on_loopback_in_development(
    path: str, gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    assert (await http.get(f"{gateway.http}{path}")).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"Origin": "http://page.example"}, {"Host": "["}])
async def test_a_strangers_page_in_the_machines_browser_is_not_local(
    path: str, headers: dict[str, str], gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    assert (await http.get(f"{gateway.http}{path}", headers=headers)).status_code == 403
    own = {"Host": f"localhost:{gateway.port}", "Origin": f"http://localhost:{gateway.port}"}
    assert (await http.get(f"{gateway.http}{path}", headers=own)).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_what_came_through_a_proxy_is_not_local(
    path: str, header: str, gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    answer = await http.get(f"{gateway.http}{path}", headers={header: "127.0.0.1"})
    assert answer.status_code == 403
    assert "GATEWAY_OPERATOR_KEY" in answer.json()["detail"]


@pytest.mark.parametrize("path", CLOSED)
async def test_in_production_they_are_closed_without_a_key(
    path: str, valkey: ValkeyServer, http: httpx.AsyncClient
) -> None:
    settings = {
        "environment": "production",
        "jwt_secret": "a secret for staff tokens, long enough",
        "table_token_secret": "a secret for table tokens, long enough",
        "allowed_origins": ("https://app.example.com",),
    }
    with run_gateway(valkey.url, **settings) as production:
        assert (await http.get(f"{production.http}{path}")).status_code == 403


async def test_readiness_shows_what_it_rests_on(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    async with welcomed(gateway.ws, "/ws/waiter", staff_token()):
        body = (await http.get(f"{gateway.http}/ws/health/detailed")).json()
    assert body["status"] == "ready"
    assert body["reasons"] == []
    assert body["redis"] == {"reachable": True, "error": None, "subscribed": True}
    # Which node relays depends on who else is on the same Redis.
    assert body["critical"].pop("active_relay") in (True, False)
    assert body["critical"] == {"live": True, "lost_at_source": 0}
    assert body["connections"] == 1
    assert body["fanout"]["core"] == "native"


async def test_metrics_are_prometheus_text_and_count_what_happened(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    async def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        answer = await http.get(f"{gateway.http}/ws/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
        return name, frozenset(labels.items())

    before = await samples()
    async with welcomed(gateway.ws, "/ws/waiter", staff_token(user="measured")) as peer:
        await peer.send("ping")
        await peer.json()
        during = await samples()
    accepted = of("gateway_handshakes_total", endpoint="waiter", outcome="accepted")
    pings = of("gateway_client_messages_total", kind="ping")
    open_now = of("gateway_connections", endpoint="waiter")
    assert during[accepted] == before[accepted] + 1
    assert during[pings] == before[pings] + 1
    assert during[open_now] == before[open_now] + 1
    assert during[of("gateway_redis_up")] == 1
    assert during[of("gateway_draining")] == 0
