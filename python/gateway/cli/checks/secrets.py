"""Are the secrets secret, long enough, and each for one purpose?"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import ClassVar

from pydantic import SecretStr

from gateway.cli.checks.base import Finding, ok, problem, warning
from gateway.cli.checks.patient import Patient
from gateway.settings import DEVELOPMENT_SECRET, MIN_SECRET_BYTES, Settings

_NEW = "set it, or the same name with _FILE, to what `openssl rand -hex 32` gives"


class SecretsCheck:
    """Keeps `base.Check`. What production refuses is `SettingsCheck`'s to say there; here it is foretold."""

    subject: ClassVar[str] = "secrets"

    def examine(self, patient: Patient) -> Iterator[Finding]:
        """See `Check.examine`."""
        faults = [*self._files(patient)]
        if patient.settings is not None:
            faults += self._values(patient.settings)
        yield from faults
        if patient.settings is not None and not faults:
            yield ok(self.subject, f"every secret has at least {MIN_SECRET_BYTES} bytes and one purpose")

    def _files(self, patient: Patient) -> Iterator[Finding]:
        for name, mode in patient.secret_files.items():
            if mode & stat.S_IWOTH:
                yield problem(
                    self.subject,
                    f"every user of this machine can replace the file that {name} names (mode {mode:03o})",
                    "chmod 600 it and give it to the gateway's user; then replace the secret",
                )
            elif mode & stat.S_IROTH:
                yield warning(
                    self.subject,
                    f"every user of this machine can read the file that {name} names (mode {mode:03o})",
                    "chmod 600 it and give it to the gateway's user, unless this is a container with no other users",
                )

    def _values(self, settings: Settings) -> Iterator[Finding]:
        pools = {
            "GATEWAY_JWT_SECRET": set(settings.jwt_keys.values()),
            "GATEWAY_TABLE_TOKEN_SECRET": set(settings.table_token_keys.values()),
            "GATEWAY_OPERATOR_KEY": _plain([settings.operator_key] if settings.operator_key else ()),
            # One pool: a key may stand in several of these settings.
            "GATEWAY_API_…_KEYS": _plain(
                [
                    *settings.api_read_keys.values(),
                    *settings.api_publish_keys.values(),
                    *settings.api_operate_keys.values(),
                ]
            ),
        }
        for name, pool in pools.items():
            if DEVELOPMENT_SECRET in pool:
                yield warning(
                    self.subject,
                    f"{name} is the development secret, which everybody can read and make tokens with",
                    f"before you go live {_NEW}; production refuses to start",
                )
            shortest = min((len(secret.encode()) for secret in pool), default=MIN_SECRET_BYTES)
            if shortest < MIN_SECRET_BYTES:
                yield warning(
                    self.subject,
                    f"{name} has {shortest} bytes, which can be guessed",
                    f"{_NEW}; production asks for {MIN_SECRET_BYTES} bytes",
                )
        names = list(pools)
        for number, name in enumerate(names):
            for other in names[number + 1 :]:
                if (pools[name] & pools[other]) - {DEVELOPMENT_SECRET}:
                    yield warning(
                        self.subject,
                        f"{name} and {other} share a secret: whoever has it for one purpose has it for both",
                        "give each a secret of its own",
                    )
        if settings.environment == "production" and settings.operator_key is None:
            yield warning(
                self.subject,
                "GATEWAY_OPERATOR_KEY is not set: /ws/metrics and /ws/health/detailed refuse everybody",
                _NEW,
            )


def _plain(secrets: Iterable[SecretStr]) -> set[str]:
    return {secret.get_secret_value() for secret in secrets}
