"""Which web pages may connect with a user's browser?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gateway.auth.origin import OriginPolicy, normalise
from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient
from gateway.errors import SettingsError

_EXAMPLE = "list each of your web pages, as https://app.example.com,https://admin.example.com"


class OriginsCheck:
    """Keeps `base.Check`."""

    subject: ClassVar[str] = "origins"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        if patient.settings is None:
            return
        origins = patient.settings.allowed_origins
        if not origins:
            # In production it does not start like this, which `SettingsCheck` says.
            yield warning(
                self.subject,
                "GATEWAY_ALLOWED_ORIGINS is empty: any web page may connect with a user's browser",
                f"before you go live {_EXAMPLE}",
            )
            return
        try:
            OriginPolicy(origins)
        except SettingsError as error:
            yield problem(self.subject, str(error), _EXAMPLE)
            return
        plain = [text for text in origins if (found := normalise(text)) is not None and found[0] in ("http", "ws")]
        if plain and patient.production:
            yield warning(
                self.subject,
                f"{', '.join(plain)}: pages without TLS may connect, and anybody on their way can change them",
                "serve them by https:// and list them so",
            )
        else:
            yield ok(self.subject, f"{len(origins)} may connect: {', '.join(origins)}")
