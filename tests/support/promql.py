"""What a PromQL expression asks for: metrics, the labels it looks at, and the values it compares them with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import promql_parser
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import Metrics

TARGET_LABELS = {"job", "instance"}
"""What Prometheus itself adds to every series."""

OF_PROMETHEUS = {"up"}
"""Series that Prometheus makes about each target."""


@dataclass
class Exported:
    """What a gateway exports: for each name of a series, its labels and what is known of their values.

    A label without known values may have any.
    """

    series: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, metrics: Metrics) -> Exported:
        """Names and labels as documented; values, and the process' own metrics, as a first scrape shows them.

        Every series of known labels is there from the start.
        """
        found = cls()
        for entry in metrics.catalogue():
            histogram = entry.type == "histogram"
            for ending in ("_bucket", "_sum", "_count") if histogram else ("",):
                names = (*entry.labels, "le") if ending == "_bucket" else entry.labels
                found.series[entry.name + ending] = {label: set() for label in names}
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
            for sample in family.samples:
                labels = found.series.setdefault(sample.name, {})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
        return found


def problems(expression: str, exported: Exported) -> list[str]:
    """A sentence for each thing in the expression that no gateway exports; empty is good.

    Raises:
        ValueError: it is no PromQL.
    """
    tree = promql_parser.parse(expression)
    check = _Check(exported)
    # Twice: a grouping stands above the selectors whose labels it names.
    promql_parser.walk(tree, check.selector)
    promql_parser.walk(tree, check.grouping)
    return check.problems


class _Check:
    """One expression's problems, and the labels that its series have."""

    def __init__(self, exported: Exported) -> None:
        self.problems: list[str] = []
        self._exported = exported
        self._known = set(TARGET_LABELS)

    def selector(self, node: Any) -> None:
        """Whether there is such a series, with such labels and values."""
        if not isinstance(node, promql_parser.VectorSelector):
            return
        name = str(node.name)
        labels = self._exported.series.get(name)
        if labels is None:
            if name not in OF_PROMETHEUS:
                self.problems.append(f"{name} is not exported")
            return
        self._known.update(labels)
        for matcher in node.matchers.matchers:
            if matcher.name in labels:
                self._values(name, matcher, labels[matcher.name])
            elif matcher.name not in TARGET_LABELS:
                self.problems.append(f"{name} has no label {matcher.name}")

    def _values(self, name: str, matcher: Any, values: set[str]) -> None:
        # `a|b` is taken apart: a misspelt alternative would never be missed.
        for value in matcher.value.split("|"):
            if values and not any(re.fullmatch(value, one) for one in values):
                self.problems.append(f"{name} has no {matcher.name}={value!r}")

    def grouping(self, node: Any) -> None:
        """Whether the series have the labels by which they are aggregated or matched."""
        modifier = getattr(node, "modifier", None)
        if modifier is None:
            return
        if isinstance(node, promql_parser.BinaryExpr):
            used = [*(modifier.matching.labels if modifier.matching else ()), *(modifier.group_labels or ())]
        else:
            used = modifier.labels
        self.problems.extend(f"nothing in it has a label {label}" for label in used if label not in self._known)
