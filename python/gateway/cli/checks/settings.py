"""Can the settings be read, do they go together, and is every variable one of them?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient
from gateway.settings import Settings


class SettingsCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "settings"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        for complaint in patient.complaints:
            yield problem(self.subject, complaint, "correct it: the gateway does not start like this")
        if patient.settings is None:
            return
        for sentence in patient.settings.unknown:
            yield warning(self.subject, sentence, "correct or remove it: a gateway does not read it")
        yield ok(
            self.subject,
            f"{patient.settings.environment}; {len(patient.settings.model_fields_set)} of {len(Settings.model_fields)} "
            "settings are not left at their defaults",
        )
