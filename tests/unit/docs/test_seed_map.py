"""The names of the audited system are where the seed map says."""

from __future__ import annotations

import re

import pytest

from tests.support.code_names import check_places, holds, quoted
from tests.support.documents import ROOT, Table, handwritten_tables

KEPT, GONE = handwritten_tables(ROOT / "docs" / "reference" / "seed-map.md")


def _rows(table: Table) -> list[object]:
    return [pytest.param(*row, id=row[0].strip("`")) for row in table.rows]


@pytest.mark.parametrize(("names", "where"), _rows(KEPT))
def test_a_name_that_was_kept_is_there(names: str, where: str) -> None:
    places = check_places(where)
    assert places
    for name in quoted(names):
        assert all(holds(place, name) for place in places), name


@pytest.mark.parametrize(("names", "instead"), _rows(GONE))
def test_a_name_that_is_gone_is_gone_and_something_is_there_instead(names: str, instead: str) -> None:
    assert check_places(instead)
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "python").rglob("*.py"))
    for name in quoted(names):
        assert re.search(rf"^\s*(?:class|(?:async )?def) {name}\b|^{name}\b", sources, re.MULTILINE) is None, name


def test_every_name_that_the_audit_uses_is_in_it() -> None:
    named = {
        part for table in (KEPT, GONE) for row in table.rows for name in quoted(row[0]) for part in name.split(".")
    }
    assert named >= {
        "EventCircuitBreaker",
        "CircuitBreaker",
        "SUBSCRIPTION_CHANNELS",
        "StreamConsumer",
        "ConnectionManager",
        "ConnectionManagerDependencies",
        "ConnectionLifecycle",
        "lifespan",
        "cleanup_sector_repository",
        "heartbeat_cleanup",
        "HeartbeatTracker",
        "HEARTBEAT_TIMEOUT",
        "JWT_REVALIDATION_INTERVAL",
        "TABLE_TOKEN_REVALIDATION_INTERVAL",
        "ConnectionIndex",
        "WSCloseCode",
        "TenantFilter",
        "BroadcastObserver",
        "DecorrelatedJitter",
        "ConnectionBroadcaster",
        "start_workers",
        "stop_workers",
        "get_tenant_branch_lock",
        "get_redis_pool",
    }
