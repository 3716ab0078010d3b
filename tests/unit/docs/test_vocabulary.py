"""Whatever a document calls a setting, a metric, a module, a file or a `make` target is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.endpoints.console import socket as console
from gateway.hub.profiles import PROFILES
from gateway.settings import Settings
from gateway.settings.note import note_of, variable
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.worker_series import UP
from tests.support.code_names import quoted, resolve
from tests.support.documents import ROOT, name_of, pages, prose

CLIENT_VARIABLES = {"GATEWAY_TOKEN", "GATEWAY_TABLE_TOKEN"}
"""What `gateway tail` reads; no settings of the gateway."""

SETTINGS = {variable(name) for name in Settings.model_fields}
FILES = {f"{variable(name)}_FILE" for name, field in Settings.model_fields.items() if note_of(field).secret}
METRICS = {entry.name for entry in Metrics().catalogue()} | {UP}
EXPOSED = {f"{entry.name}{end}" for entry in Metrics().catalogue() for end in ("_bucket", "_sum", "_count")}
SOURCES = "\n".join(path.read_text("utf-8") for path in (ROOT / "python").rglob("*.py"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

ROUTES = {
    *create_app(Settings.load({})).openapi()["paths"],
    *(profile.path for profile in PROFILES.values()),
    console.PATH,
}

_UNLIMITED = ("unlimited", "sin límite")
_UNITS = {"KiB": 1024}
_DEFAULT = re.compile(rf"`(GATEWAY_[A-Z_]+)`\s\(({'|'.join(_UNLIMITED)}|\d[\d,]*(?![\d,.]))\s?(KiB)?")

# The history of what was decided and changed may name what is gone.
NOW = [page for page in pages() if page.name != "CHANGELOG.md"]

everywhere = pytest.mark.parametrize("page", NOW, ids=name_of)


@everywhere
def test_settings_are_settings(page: Path) -> None:
    named = re.findall(r"\bGATEWAY_[A-Z_]*[A-Z](?![A-Z_…*])", page.read_text("utf-8"))
    assert set(named) <= SETTINGS | FILES | CLIENT_VARIABLES


@everywhere
def test_defaults_in_brackets_are_the_defaults(page: Path) -> None:
    """`GATEWAY_JOIN_RATE` (500/s), and the like."""
    for name, number, unit in _DEFAULT.findall(page.read_text("utf-8")):
        if name in SETTINGS:
            default = Settings.model_fields[name.removeprefix("GATEWAY_").lower()].default
            said = 0 if number in _UNLIMITED else float(number.replace(",", "")) * _UNITS.get(unit, 1)
            assert said == default, name


@everywhere
def test_metrics_are_metrics(page: Path) -> None:
    named = re.findall(r"(?<![\w./-])gateway_[a-z_]*[a-z](?![\w…*./-])", page.read_text("utf-8"))
    # What is exported beside the catalogue, the code says as text.
    assert {name for name in named if f'"{name}' not in SOURCES} <= METRICS | EXPOSED


@everywhere
def test_modules_are_modules(page: Path) -> None:
    for name in quoted(prose(page)):
        # Loggers, and the ASGI extension, have names like modules; the code says them as text.
        if re.fullmatch(r"gateway(\.\w+)+", name) and f'"{name}"' not in SOURCES:
            resolve(name)


@everywhere
def test_files_are_files(page: Path) -> None:
    roots = (ROOT, page.parent, ROOT / "python" / "gateway", ROOT / "rust" / "fanout_core" / "src")
    for name in quoted(prose(page)):
        if re.fullmatch(r"[\w./-]+\.(?:py|rs|lua|toml|json|lock)", name) and "/" in name:
            assert any((root / name).exists() for root in roots) or _is_an_example(name), name


def _is_an_example(name: str) -> bool:
    return name.startswith(("/", "dist/", "build/"))


@everywhere
def test_paths_are_routes(page: Path) -> None:
    named = re.findall(r"(/ws(?:/[a-z]+)+)\b", page.read_text("utf-8"))
    assert set(named) <= ROUTES


@everywhere
def test_make_targets_are_targets(page: Path) -> None:
    named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
    assert set(named) <= TARGETS
