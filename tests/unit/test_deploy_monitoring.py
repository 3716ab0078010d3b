"""Dashboard and alert rules ask for what a gateway exports, and every alert says what to do about it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.telemetry.metrics import Metrics
from tests.support.deploy_files import DEPLOY, ROOT, load_yaml, seconds, walk
from tests.support.promql import Exported, problems

GUIDE = ROOT / "docs" / "guides" / "production.md"
ALERTS: list[dict[str, Any]] = [
    rule for group in load_yaml("prometheus/alerts.yaml")["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")


@pytest.fixture(scope="module")
def exported() -> Exported:
    return Exported.of(Metrics())


def asked(text: str) -> str:
    """A panel's expression as Prometheus gets it, with Grafana's own variables filled in."""
    return text.replace("$__rate_interval", "1m")


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("gateway_conections", "gateway_conections is not exported"),
        ('rate(gateway_closes_total{codes="1013"}[1m])', "gateway_closes_total has no label codes"),
        ('gateway_closes_total{code="1014"}', "gateway_closes_total has no code='1014'"),
        ('gateway_handshakes_total{outcome=~"error|full"}', "gateway_handshakes_total has no outcome='full'"),
        ("sum by (endpint) (gateway_connections)", "nothing in it has a label endpint"),
        ("gateway_redis_up and on (code) up", "nothing in it has a label code"),
        ("gateway_broadcast_seconds", "gateway_broadcast_seconds is not exported"),
    ],
)
def test_what_is_not_exported_is_found(expression: str, problem: str, exported: Exported) -> None:
    assert problems(expression, exported) == [problem]


def test_what_is_no_promql_is_found(exported: Exported) -> None:
    with pytest.raises(ValueError, match=r".+"):
        problems("sum by (job) (rate(gateway_closes_total))", exported)


# --- alerts ----------------------------------------------------------------------------------------------------------


@each_alert
def test_an_alert_asks_for_what_is_exported(alert: dict[str, Any], exported: Exported) -> None:
    assert problems(alert["expr"], exported) == []


@each_alert
def test_an_alert_waits_has_a_severity_and_says_what_is_wrong(alert: dict[str, Any], exported: Exported) -> None:
    assert seconds(alert["for"]) >= 60, "a scrape that fails once wakes nobody"
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    known = {"job", "instance"}.union(*exported.series.values())
    said = " ".join(alert["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= known


@each_alert
def test_an_alert_names_the_job_that_is_scraped(alert: dict[str, Any]) -> None:
    (scrape,) = load_yaml("prometheus/scrape.yaml")["scrape_configs"]
    assert set(re.findall(r'job="([^"]*)"', alert["expr"])) == {scrape["job_name"]}
    assert scrape["metrics_path"] == "/ws/metrics"
    assert scrape["authorization"]["type"] == "Bearer"


def test_every_alert_has_a_chapter_of_the_guide_and_every_chapter_an_alert() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))
    chapters = re.findall(r"^### (Gateway\w+)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert chapters == names
    page = GUIDE.relative_to(ROOT).as_posix()
    assert [alert["annotations"]["runbook"] for alert in ALERTS] == [f"{page}#{name.lower()}" for name in names]


@needs_promtool
@pytest.mark.parametrize(
    ("command", "name"), [(("check", "rules"), "alerts.yaml"), (("test", "rules"), "alerts_test.yaml")]
)
def test_prometheus_own_tool_agrees(command: tuple[str, str], name: str) -> None:
    done = subprocess.run(
        ["promtool", *command, name], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- dashboard -------------------------------------------------------------------------------------------------------


def expressions() -> Iterator[str]:
    for one in walk(DASHBOARD):
        if "expr" in one:
            yield one["expr"]


@each_panel
def test_a_panel_asks_for_what_is_exported(panel: dict[str, Any], exported: Exported) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert problems(asked(target["expr"]), exported) == []
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        # `sum by (…)` keeps what it names, everything else keeps what the series has.
        kept = re.search(r"by \(([^)]*)\)", target["expr"])
        assert shown <= (set(kept[1].split(", ")) if kept else {"job", "instance"}.union(*exported.series.values()))


@each_panel
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_expression_is_about_the_nodes_that_were_chosen() -> None:
    """But for `up`: a node that was never scraped is no node that could be chosen."""
    for expression in expressions():
        for selector in re.findall(r"(?:gateway|process)_\w+(\{[^}]*\})?", expression):
            assert 'job="$job", instance=~"$instance"' in selector, expression


def test_the_variables_are_declared_and_ask_for_what_is_exported(exported: Exported) -> None:
    declared = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == set(declared)
    for name in ("job", "instance"):
        query = declared[name]["query"]["query"]
        series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
        assert label == name
        assert problems(series, exported) == []


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identifiers) == len(set(identifiers))


SHOWN = {
    "connections": "gateway_connections",
    "joins and refusals": "gateway_handshakes_total",
    "deliveries": "gateway_deliveries_total",
    "drops by reason": "gateway_events_dropped_total",
    "slow clients": "gateway_closes_total",
    "latency": "gateway_broadcast_seconds_bucket",
    "reactor lag": "gateway_native_lag_seconds",
    "relay lag": "gateway_relay_lag",
    "dead letters": "gateway_relay_dead_letters_total",
    "breakers": "gateway_breaker_state",
    "Redis": "gateway_redis_up",
}


@pytest.mark.parametrize(("what", "series"), SHOWN.items(), ids=SHOWN)
def test_the_dashboard_shows_what_an_operator_looks_for(what: str, series: str) -> None:
    assert any(series in expression for expression in expressions()), what
