"""Tables of the reference that nobody generates are held to the code, each by a test that is named here."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

import pytest

import gateway
import scripts.docs_tables as docs
from gateway.app import create_app
from gateway.endpoints import catchup
from gateway.fanout.envelope import splice
from gateway.protocol import keys, messages
from gateway.protocol.events import DROP_REASONS
from gateway.settings import Settings
from tests.support.code_names import check_places, quoted
from tests.support.documents import ROOT, Table, handwritten_tables, name_of
from tests.support.redis_names import documented_names, is_made

HELD_TO_CODE = [page for folder in ("reference", "es") for page in sorted((ROOT / "docs" / folder).glob("*.md"))]


def _check_http_paths(table: Table) -> None:
    """Each row is a route. That every route has a row is asked of the whole page in `test_docs`."""
    schema = create_app(Settings.load({})).openapi()["paths"]
    for path, *_ in table.rows:
        method, route = quoted(path)[0].split(" ")
        assert route == "/openapi.json" or method.lower() in schema[route], path


def _check_catchup_statuses(table: Table) -> None:
    assert {int(status) for status, _ in table.rows} == {int(status) for status in catchup.STATUSES.values()}


def _shape(value: object) -> object:
    """Members and types; whatever branch it is, a position is a position."""
    if not isinstance(value, dict):
        return type(value).__name__
    if all(name.isdigit() for name in value):
        return {"<branch>": {type(item).__name__ for item in value.values()}}
    return {name: item if name == "type" else _shape(item) for name, item in value.items()}


def _check_messages(table: Table) -> None:
    """Every message that the code builds or reads has a row, and looks as it says there."""
    built = {
        messages.welcome: [messages.welcome("a", 30, {5: "0-0"}), messages.welcome("a", 30, {5: "0-0"}, {5: True})],
        messages.pong: [messages.pong({5: "0-0"})],
        messages.gap: [messages.gap(3)],
        messages.critical_gap: [messages.critical_gap(5)],
        messages.reconnect: [messages.reconnect(2.5)],
        messages.error: [messages.error(messages.ErrorCode.TOO_SOON)],
        messages.token_refreshed: [messages.token_refreshed(1.9e9)],
        messages.sectors_updated: [messages.sectors_updated([1, 2], bare=bare) for bare in (False, True)],
    }
    builders = {
        function
        for name, function in inspect.getmembers(messages, inspect.isfunction)
        if function.__module__ == messages.__name__
        and not name.startswith("_")
        and inspect.signature(function).return_annotation == "str"
    }
    assert builders == set(built), "a message that this test does not know"
    shown = [text for cell, direction, _ in table.rows if direction == "to the client" for text in quoted(cell)]
    shapes = [_shape(json.loads(text)) for text in shown if text.startswith("{")]
    for samples in built.values():
        for sample in samples:
            assert (_shape(json.loads(sample)) in shapes) if sample.startswith("{") else sample in shown, sample

    read = {
        type(messages.parse_client_message(text))
        for cell, direction, _ in table.rows
        if direction == "to the gateway"
        for text in quoted(cell)
    }
    assert read == set(get_args(messages.ClientMessage))


def _check_redis_names(table: Table) -> None:
    """Every name that the code makes has a row, and none has one that it does not make."""
    named = [name for cell, *_ in table.rows for name in quoted(cell)]
    assert documented_names() <= set(named)
    assert [name for name in named if not is_made(name)] == []
    assert len(named) == len(set(named))


def _check_seed_map(table: Table) -> None:
    """See `test_seed_map`, which goes into each row."""
    for _, where in table.rows:
        assert check_places(where)


def _check_packages(table: Table) -> None:
    """Every package of the gateway has a row."""
    named = [name for cell, _ in table.rows for name in quoted(cell)]
    assert sorted(named) == sorted(
        f"gateway.{module.name}" for module in iter_modules(gateway.__path__) if module.ispkg
    )


def _check_two_kinds(table: Table) -> None:
    """What a client sees of a critical event, and where one comes in."""
    text = " ".join(cell for row in table.rows for cell in row)
    spliced = json.loads(splice(b'{"type":"ROUND_READY"}', "1-0/00000000"))
    assert {keys.SOURCE, *spliced} - {"type"} <= set(quoted(text))


def _check_tuning(table: Table) -> None:
    """Symptoms are metrics, and remedies settings; that these exist is asked of every page in `test_vocabulary`."""
    for symptom, *_ in table.rows:
        assert any(name.startswith("gateway_") or name in DROP_REASONS for name in quoted(symptom)), symptom


AUDITED = (
    *("1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4", "3", "4.1", "4.2", "4.3", "4.4", "5.1"),
    *("DOC-IMP-01", "DOC-IMP-02", "DOC-IMP-03", "REDIS-01", "REDIS-02", "REDIS-03", "REDIS-04"),
    *("6.1", "6.2, pipelining", "6.2, Lua", "6.2, memoria", "6.2, TTL", "7"),
)
"""The points of the audit, by its own numbers."""


def _check_audit(table: Table) -> None:
    """Every point is answered, each by something that is there."""
    assert tuple(row[0] for row in table.rows) == AUDITED
    for point, _, _, where in table.rows:
        assert check_places(where) == quoted(where) != [], point


CHECKS: dict[tuple[str, str], Callable[[Table], None]] = {
    ("docs/reference/http.md", "path"): _check_http_paths,
    ("docs/reference/http.md", "status"): _check_catchup_statuses,
    ("docs/reference/messages.md", "message"): _check_messages,
    ("docs/reference/redis.md", "name"): _check_redis_names,
    ("docs/reference/seed-map.md", "name"): _check_seed_map,
    ("docs/es/socketGat.md", "paquete"): _check_packages,
    ("docs/es/socketGat.md", ""): _check_two_kinds,
    ("docs/es/socketGat.md", "síntoma"): _check_tuning,
    ("docs/es/socketGat.md", "punto"): _check_audit,
}
"""By page and first heading. A table that is neither here nor between the markers of a generated one fails."""

TABLES = [table for page in HELD_TO_CODE if page.name not in docs.WHOLE for table in handwritten_tables(page)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.page}:{table.header[0]}")
def test_a_table_is_generated_or_held_to_the_code(table: Table) -> None:
    check = CHECKS.get((table.page, table.header[0]))
    assert check is not None, "generate it (scripts/docs_tables.py), or add a check of it to this file"
    check(table)


def test_every_check_has_its_table() -> None:
    assert {(table.page, table.header[0]) for table in TABLES} == set(CHECKS)


@pytest.mark.parametrize("page", HELD_TO_CODE, ids=name_of)
def test_what_stands_between_markers_is_written_by_something(page: Path) -> None:
    names = re.findall(r"<!-- table: ([\w-]+) -->", page.read_text("utf-8"))
    # The loss budget is written by the tests that measure it, and by nothing else.
    assert {name for name in names if name not in docs.TABLES} <= {"loss-budget"}
