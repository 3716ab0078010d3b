"""nginx and Envoy in front: WebSockets pass, the gateway ends silent ones first, no token is logged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import crossplane
import pytest

from gateway.settings import Settings
from tests.support.deploy_files import DEPLOY, LONGEST_SILENCE, load_yaml, seconds, walk

NGINX = DEPLOY / "nginx" / "nginx.conf"
OPERATOR_PATHS = {"/ws/metrics", "/ws/health/detailed"}

HARMLESS_IN_NGINX = {
    "time_iso8601",
    "remote_addr",
    "request_method",
    "uri",
    "status",
    "bytes_sent",
    "request_time",
    "upstream_addr",
}
HARMLESS_IN_ENVOY = {
    "START_TIME",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "REQ(:METHOD)",
    "PATH(NQ)",
    "RESPONSE_CODE",
    "RESPONSE_FLAGS",
    "BYTES_SENT",
    "DURATION",
    "UPSTREAM_HOST",
}


@pytest.fixture(scope="module")
def nginx() -> list[dict[str, Any]]:
    """nginx' directives."""
    (config,) = crossplane.parse(str(NGINX), single=True)["config"]
    return list(config["parsed"])


def test_nginx_has_directives_that_there_are_where_they_may_stand(nginx: list[dict[str, Any]]) -> None:
    checked = crossplane.parse(str(NGINX), single=True, strict=True, check_ctx=True, check_args=True)
    # The parser takes what a `map` maps for directives of their own.
    mapped = {entry["line"] for mapping in directives(nginx, "map") for entry in mapping["block"]}
    assert [error for error in checked["errors"] if error["line"] not in mapped] == []


def directives(block: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """Every directive of that name, at whatever depth."""
    for directive in block:
        if directive["directive"] == name:
            yield directive
        yield from directives(directive.get("block", []), name)


def location(nginx: list[dict[str, Any]], *arguments: str) -> dict[str, list[list[str]]]:
    """The arguments of each directive of one location."""
    (found,) = (one for one in directives(nginx, "location") if one["args"] == list(arguments))
    inside: dict[str, list[list[str]]] = {}
    for directive in found["block"]:
        inside.setdefault(directive["directive"], []).append(directive["args"])
    return inside


def test_nginx_passes_websockets_and_nobody_else_decides_who_the_client_is(nginx: list[dict[str, Any]]) -> None:
    proxy = location(nginx, "/ws/")
    assert proxy["proxy_http_version"] == [["1.1"]]
    headers = dict(proxy["proxy_set_header"])
    assert headers["Upgrade"] == "$http_upgrade"
    assert headers["Connection"] == "$connection_upgrade"
    assert headers["X-Forwarded-For"] == "$remote_addr", "not what the client wrote there"
    assert proxy["proxy_buffering"] == [["off"]]
    (mapping,) = directives(nginx, "map")
    assert mapping["args"] == ["$http_upgrade", "$connection_upgrade"]


def test_nginx_waits_longer_than_the_gateway(nginx: list[dict[str, Any]]) -> None:
    proxy = location(nginx, "/ws/")
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        assert seconds(proxy[name][0][0]) > LONGEST_SILENCE


def test_nginx_reaches_the_gateway_and_keeps_the_operators_paths_inside(nginx: list[dict[str, Any]]) -> None:
    (upstream,) = directives(nginx, "upstream")
    servers = [one["args"][0] for one in upstream["block"] if one["directive"] == "server"]
    assert servers == [f"127.0.0.1:{Settings().port}"]
    assert location(nginx, "/ws/")["proxy_pass"] == [[f"http://{upstream['args'][0]}"]]
    for path in OPERATOR_PATHS:
        assert location(nginx, "=", path) == {"return": [["404"]]}


def test_nginx_logs_nothing_that_may_hold_a_token(nginx: list[dict[str, Any]]) -> None:
    (log_format,) = directives(nginx, "log_format")
    name, _escape, *parts = log_format["args"]
    assert set(re.findall(r"\$(\w+)", "".join(parts))) == HARMLESS_IN_NGINX
    logs = list(directives(nginx, "access_log"))
    assert [log["args"][1] for log in logs] == [name], "one log, in that format; the default one holds the query"
    # nginx puts the request line into what it says of a request at `error` and below.
    assert [log["args"][1] for log in directives(nginx, "error_log")] == ["crit"]


def test_nginx_has_two_descriptors_for_each_connection(nginx: list[dict[str, Any]]) -> None:
    (limit,) = directives(nginx, "worker_rlimit_nofile")
    (connections,) = directives(nginx, "worker_connections")
    assert int(limit["args"][0]) >= 2 * int(connections["args"][0])


# --- Envoy -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def envoy() -> dict[str, Any]:
    return dict(load_yaml("envoy/envoy.yaml"))


@pytest.fixture(scope="module")
def manager(envoy: dict[str, Any]) -> dict[str, Any]:
    """The HTTP connection manager."""
    (found,) = (one for one in walk(envoy) if str(one.get("@type", "")).endswith(".HttpConnectionManager"))
    return dict(found)


def test_envoy_passes_websockets_and_nobody_else_decides_who_the_client_is(manager: dict[str, Any]) -> None:
    assert manager["upgrade_configs"] == [{"upgrade_type": "websocket"}]
    assert manager["use_remote_address"] is True
    assert manager["xff_num_trusted_hops"] == 0
    assert manager["http_filters"][-1]["name"] == "envoy.filters.http.router"


def test_envoy_waits_longer_than_the_gateway(manager: dict[str, Any]) -> None:
    assert seconds(manager["stream_idle_timeout"]) > LONGEST_SILENCE
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    (proxied,) = (route for route in routes if "route" in route)
    assert seconds(proxied["route"]["timeout"]) == 0, "a WebSocket is a request that does not end"
    assert "idle_timeout" not in proxied["route"]


def test_envoy_reaches_the_gateway_and_keeps_the_operators_paths_inside(
    envoy: dict[str, Any], manager: dict[str, Any]
) -> None:
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    proxied = next(number for number, route in enumerate(routes) if "route" in route)
    hidden = {route["match"]["path"]: route["direct_response"] for route in routes[:proxied]}
    assert hidden == {path: {"status": 404} for path in OPERATOR_PATHS}
    assert [route["match"] for route in routes[proxied:]] == [{"prefix": "/ws/"}, {"prefix": "/"}]
    assert routes[-1]["direct_response"] == {"status": 404}

    (cluster,) = envoy["static_resources"]["clusters"]
    assert routes[proxied]["route"]["cluster"] == cluster["name"] == cluster["load_assignment"]["cluster_name"]
    (address,) = (one for one in walk(cluster) if "port_value" in one)
    assert address == {"address": "127.0.0.1", "port_value": Settings().port}
    assert cluster["health_checks"][0]["http_health_check"] == {"path": "/ws/health"}
    assert "admin" not in envoy, "it shows requests, and is for whoever adds it on purpose"


def test_envoy_holds_more_websockets_than_its_defaults_allow(envoy: dict[str, Any]) -> None:
    (thresholds,) = envoy["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"]
    assert thresholds["max_connections"] == thresholds["max_requests"] > 65_536


def test_envoy_logs_nothing_that_may_hold_a_token(manager: dict[str, Any]) -> None:
    (log,) = manager["access_log"]
    shown = log["typed_config"]["log_format"]["json_format"]
    assert {re.fullmatch(r"%(.+)%", value)[1] for value in shown.values()} == HARMLESS_IN_ENVOY
