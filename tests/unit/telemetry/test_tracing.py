from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.fanout.base import BroadcastReport, Submission
from gateway.fanout.measures import Reach
from gateway.telemetry.tracing import BroadcastTracer, start_tracing
from gateway.types import Room

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
ACCEPTED = 1_700_000_000.5


class Rig:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = BroadcastTracer(self.provider.get_tracer("test"))

    def pass_on(self, payload: bytes, position: str | None = None, source: str = "pubsub") -> tuple[Any, ...]:
        """The spans that are made of one event, if it is watched."""
        origin = ACCEPTED - (2.0 if position else 0.25)
        event = Submission(Room(7, 5), ("branch:5:kitchen",), payload, position, origin, source)
        self.exporter.clear()
        if self.tracer.watches(event):
            self.tracer.on_passed(BroadcastReport(event, Reach(4, 2, 1), 0.125, ACCEPTED))
        return self.exporter.get_finished_spans()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def event(**members: Any) -> bytes:
    return json.dumps({"type": "ROUND_READY", "tenant_id": 7, "branch_id": 5} | members).encode()


def test_a_best_effort_event_is_a_span_from_its_reading_to_its_last_write(rig: Rig) -> None:
    payload = event(traceparent=PARENT, tracestate="vendor=1")
    [span] = rig.pass_on(payload)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.parent.is_remote
    assert span.context.trace_state.get("vendor") == "1"
    assert span.name == "deliver branch:<id>:kitchen"
    assert span.kind is trace.SpanKind.CONSUMER
    assert (span.start_time, span.end_time) == (1_700_000_000_250_000_000, 1_700_000_000_625_000_000)
    assert dict(span.attributes) == {
        "messaging.system": "redis",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": "branch:5:kitchen",
        "messaging.destination.template": "branch:<id>:kitchen",
        "messaging.message.body.size": len(payload),
        "fanout.source": "pubsub",
        "fanout.event_type": "ROUND_READY",
        "fanout.tenant_id": 7,
        "fanout.branch_id": 5,
        "fanout.audiences": ("branch:5:kitchen",),
        "fanout.recipients.matched": 4,
        "fanout.recipients.queued": 2,
        "fanout.recipients.lost": 1,
    }


def test_a_critical_event_has_its_id_and_how_old_it_was(rig: Rig) -> None:
    [span] = rig.pass_on(event(traceparent=PARENT), "1699999998500-0/0123abcd", "live")
    assert span.name == "deliver {tenant:<tenant>:branch:<branch>}:live"
    assert span.attributes["messaging.destination.name"] == "{tenant:7:branch:5}:live"
    assert span.attributes["messaging.message.id"] == "1699999998500-0"
    assert span.attributes["fanout.age"] == 2.0
    assert span.start_time == 1_700_000_000_500_000_000, "what was before was not on this node"


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="none"),
        pytest.param({"entity": {"traceparent": PARENT}}, id="not the event's own"),
        pytest.param({"traceparent": 7}, id="no string"),
        pytest.param({"traceparent": ""}, id="empty"),
        pytest.param({"traceparent": PARENT.upper()}, id="upper case"),
        pytest.param({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, id="no trace"),
        pytest.param({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, id="no span"),
        pytest.param({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, id="no such version"),
        pytest.param({"traceparent": f"00-{TRACE}-{SPAN}-00"}, id="not to be recorded"),
    ],
)
def test_an_event_without_a_valid_context_to_be_recorded_is_no_span(rig: Rig, members: dict[str, Any]) -> None:
    assert rig.pass_on(event(**members)) == ()


def test_the_content_of_an_event_is_in_no_span(rig: Rig) -> None:
    [span] = rig.pass_on(event(traceparent=PARENT, guest="Ada"))
    assert "Ada" not in span.to_json()


def test_an_application_that_has_set_up_tracing_keeps_its_provider(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: rig.provider)
    rig.tracer, end = start_tracing()
    assert len(rig.pass_on(event(traceparent=PARENT))) == 1
    end()
    assert len(rig.pass_on(event(traceparent=PARENT))) == 1, "the provider is the application's to end"


WITHOUT = """
import asyncio, sys
for name in ("opentelemetry.sdk", "opentelemetry.exporter"):
    sys.modules[name] = None  # importing it fails, as where the extra is not installed; the API is FastAPI's own need
from gateway.app import Gateway
from gateway.errors import SettingsError
from gateway.settings import Settings

async def start(tracing):
    gateway = Gateway(Settings.load({}, redis_url="redis://127.0.0.1:1/0", tracing=tracing, fanout="pure"))
    async with gateway.lifespan():
        print("started")

try:
    asyncio.run(start("on"))
except SettingsError as error:
    print(error)
print("gateway.telemetry.tracing" in sys.modules)
"""


def test_without_the_extra_nothing_is_missed_until_tracing_is_switched_on() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    refusal, imported = ran.stdout.splitlines()
    assert refusal.startswith("GATEWAY_TRACING is on, and OpenTelemetry is not there")
    assert refusal.endswith("install fanout-gateway[otel], or switch it off")
    assert imported == "False"
