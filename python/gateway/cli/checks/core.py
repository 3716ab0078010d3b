"""Can the core that the settings ask for run here?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient

_BUILD = "install a wheel for this platform, or build it with `make setup`"


class CoreCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "core"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        asked = patient.settings.fanout if patient.settings is not None else "auto"
        if asked == "pure":
            if patient.production:
                yield warning(
                    self.subject,
                    "GATEWAY_FANOUT is pure: the core in plain Python, which was not made for load",
                    "leave GATEWAY_FANOUT out",
                )
            else:
                yield ok(self.subject, "the core in plain Python, as GATEWAY_FANOUT asks")
        elif not patient.core_complaint:
            yield ok(self.subject, "the native core can be imported")
        elif asked == "native" or patient.production:
            yield problem(self.subject, f"{patient.core_complaint}: the gateway does not start", _BUILD)
        else:
            yield warning(
                self.subject, f"{patient.core_complaint}: the slower core in plain Python runs instead", _BUILD
            )
