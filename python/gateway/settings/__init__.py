"""Settings: the environment in, one frozen `Settings` out. Only `cli` and `app` load it."""

from __future__ import annotations

from gateway.settings.ceiling import DESCRIPTOR_RESERVE, connection_ceiling
from gateway.settings.listing import SettingLine, list_settings, secret_variables
from gateway.settings.model import Settings
from gateway.settings.reference import settings_table
from gateway.settings.rules import DEVELOPMENT_SECRET, MIN_SECRET_BYTES
from gateway.settings.source import FILE_SUFFIX, read_secret

__all__ = [
    "DESCRIPTOR_RESERVE",
    "DEVELOPMENT_SECRET",
    "FILE_SUFFIX",
    "MIN_SECRET_BYTES",
    "SettingLine",
    "Settings",
    "connection_ceiling",
    "list_settings",
    "read_secret",
    "secret_variables",
    "settings_table",
]
