"""The metrics of several processes as one scrape: each series with the worker that it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

WORKER = "worker"
"""The label that says whose a series is."""

UP = "gateway_worker_up"
_UP_TEXT = "1 for a worker whose metrics are in this scrape, 0 for one that did not answer in time."


class _Family(msgspec.Struct, array_like=True):
    """One metric with its samples: name, labels and value of each."""

    name: str
    type: str
    text: str
    samples: list[tuple[str, dict[str, str], float]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Family]).decode


def encode_metrics(registry: CollectorRegistry) -> bytes:
    """All that a registry collects, for another process of the same version."""
    return _encode(
        [
            _Family(
                family.name,
                family.type,
                family.documentation,
                [(sample.name, sample.labels, sample.value) for sample in family.samples],
            )
            for family in registry.collect()
        ]
    )


def render_workers(answers: Mapping[str, bytes | None]) -> bytes:
    """What workers encoded, in Prometheus' text format; None for one that did not answer.

    Raises:
        msgspec.DecodeError: an answer is none of `encode_metrics`.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged({worker: _decode(answer) for worker, answer in answers.items() if answer}, answers))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, found: Mapping[str, list[_Family]], asked: Mapping[str, Any]) -> None:
        self._found = found
        self._asked = asked

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        merged: dict[str, Metric] = {}
        for worker, families in self._found.items():
            for family in families:
                metric = merged.setdefault(family.name, Metric(family.name, family.text, family.type))
                for name, labels, value in family.samples:
                    metric.add_sample(name, {WORKER: worker, **labels}, value)
        yield from merged.values()
        up = Metric(UP, _UP_TEXT, "gauge")
        for worker in self._asked:
            up.add_sample(UP, {WORKER: worker}, float(worker in self._found))
        yield up
