"""What do the gateways that run already say?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

_LOG = "look at its log; a node that died is named for half a minute"


class NodesCheck:
    """Keeps `base.Check`. Only where a gateway was named."""

    subject: ClassVar[str] = "nodes"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if patient.nodes_complaint:
            yield problem(self.subject, patient.nodes_complaint, "start it, or correct --url and --key")
        if patient.nodes is None:
            return
        faults = [*self._each(patient), *self._together(patient)]
        yield from faults
        if not faults:
            count = len(patient.nodes)
            yield ok(
                self.subject, f"{count} {'is' if count == 1 else 'are'} ready, of the same version, and one relays"
            )

    def _each(self, patient: Patient) -> Iterator[Finding]:
        for silent in patient.silent:
            yield problem(self.subject, f"{silent} does not answer", _LOG)
        for status in patient.nodes or ():
            name = status.get("node")
            if status.get("draining"):
                yield warning(self.subject, f"{name} is draining", "nothing, if somebody is stopping it")
            elif not status.get("ready", True):
                reasons = ", ".join(map(str, status.get("reasons") or ())) or "it does not say why"
                yield problem(
                    self.subject,
                    f"{name} is not ready: {reasons}",
                    "run `gateway doctor` on its machine, and see its log",
                )
            for duty, state in (status.get("breakers") or {}).items():
                if state != "closed":
                    yield problem(
                        self.subject,
                        f"{name} does not ask Redis for {duty} at the moment: the breaker is {state}",
                        "look at Redis, and at the way to it from that machine",
                    )

    def _together(self, patient: Patient) -> Iterator[Finding]:
        nodes = patient.nodes or ()
        if not any((status.get("relay") or {}).get("active") for status in nodes):
            yield problem(
                self.subject,
                "no node is the relay: critical events wait in the stream",
                "wait for GATEWAY_RELAY_LEASE; if it stays so, the nodes' logs say why",
            )
        for member in ("version", "environment"):
            if len(values := sorted({str(status.get(member)) for status in nodes})) > 1:
                yield warning(
                    self.subject, f"the nodes differ in {member}: {', '.join(values)}", "give all of them the same"
                )
        letters = max((status.get("dlq_length") or 0 for status in nodes), default=0)
        if letters:
            yield warning(
                self.subject, f"{letters} critical events could not be delivered", "`gateway dlq list` says why"
            )
