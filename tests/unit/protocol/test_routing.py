from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import EventRefusedError, RoutingError, SettingsError
from gateway.protocol.audiences import Channel, parse_channel
from gateway.protocol.events import Event, parse_event
from gateway.protocol.routing import DEFAULT_RULES, RoutingTable, Rule
from tests.support.routing_oracle import ROUTES, audience_on_channel

TABLE = RoutingTable()


def event(kind: str, **members: Any) -> Event:
    return parse_event(json.dumps({"type": kind, "tenant_id": 1, "branch_id": 5, **members}).encode())


def channel(name: str) -> Channel:
    parsed = parse_channel(name)
    assert parsed is not None
    return parsed


def reason(call: Any, *arguments: Any) -> str:
    with pytest.raises(EventRefusedError) as error:
        call(*arguments)
    return error.value.reason


def test_the_table_is_the_products() -> None:
    assert {
        kind: (rule.admin, rule.kitchen, rule.waiters or "", rule.session) for kind, rule in DEFAULT_RULES.items()
    } == ROUTES


@pytest.mark.parametrize("kind", sorted(ROUTES))
def test_a_channel_gives_the_one_audience_that_the_oracle_gives(kind: str) -> None:
    names = ["branch:5:waiters", "branch:5:kitchen", "branch:5:admin", "branch:6:admin", "sector:9:waiters"]
    for name, session, sector in product([*names, "sector:8:waiters", "session:77"], (None, 77, 78), (None, 9, 8)):
        ids = {"session_id": session, "sector_id": sector}
        members = {key: value for key, value in ids.items() if value is not None}
        expected = audience_on_channel(name, {"type": kind, "branch_id": 5, **members})
        try:
            audiences = TABLE.route_channel(event(kind, **members), channel(name))
        except EventRefusedError as error:
            assert expected is None, (name, members)
            assert error.reason in ("channel_mismatch", "not_for_audience")
        else:
            assert audiences == (expected,), (name, members)


@pytest.mark.parametrize(
    ("kind", "members", "audiences"),
    [
        ("ROUND_PENDING", {"sector_id": 9}, {"branch:5:admin", "branch:5:waiters"}),
        ("ROUND_CONFIRMED", {"sector_id": 9}, {"branch:5:admin", "sector:9:waiters"}),
        ("ROUND_CONFIRMED", {}, {"branch:5:admin", "branch:5:waiters"}),
        (
            "ROUND_READY",
            {"session_id": 77, "sector_id": 9},
            {"branch:5:admin", "branch:5:kitchen", "sector:9:waiters", "session:77"},
        ),
        ("ROUND_READY", {}, {"branch:5:admin", "branch:5:kitchen", "branch:5:waiters"}),
        ("CART_SYNC", {"session_id": 77}, {"session:77"}),
        ("ENTITY_CREATED", {"session_id": 77, "sector_id": 9}, {"branch:5:admin"}),
    ],
)
def test_without_a_channel_an_event_goes_to_every_audience_of_its_row(
    kind: str, members: dict[str, int], audiences: set[str]
) -> None:
    assert set(TABLE.route(event(kind, **members))) == audiences


def test_what_would_reach_nobody_is_refused() -> None:
    assert reason(TABLE.route, event("CART_SYNC")) == "not_for_audience"


def test_an_unknown_type_is_refused_on_every_way() -> None:
    assert reason(TABLE.route, event("NO_SUCH")) == "unknown_type"
    assert reason(TABLE.route_channel, event("NO_SUCH"), channel("branch:5:admin")) == "unknown_type"


def test_another_branch_is_a_mismatch_before_anything_else() -> None:
    assert reason(TABLE.route_channel, event("CART_SYNC"), channel("branch:6:admin")) == "channel_mismatch"


# --- the file ----------------------------------------------------------------------------------------------------


def load(tmp_path: Path, text: str) -> RoutingTable:
    path = tmp_path / "routing.toml"
    path.write_text(text)
    return RoutingTable.load(path)


def test_a_file_extends_the_table(tmp_path: Path) -> None:
    table = load(tmp_path, '[events.STOCK_LOW]\nadmin = true\nwaiters = "all"\n[events.ROUND_READY]\nkitchen = true\n')
    assert table.rules["STOCK_LOW"] == Rule(admin=True, waiters="all")
    assert table.rules["ROUND_READY"] == Rule(kitchen=True), "a row is replaced whole"
    assert table.rules["CART_SYNC"] == DEFAULT_RULES["CART_SYNC"]


def test_a_file_may_replace_the_table(tmp_path: Path) -> None:
    assert dict(load(tmp_path, "replace = true\n[events.A]\nadmin = true\n").rules) == {"A": Rule(admin=True)}


@pytest.mark.parametrize(
    "text",
    [
        "[events.A\n",
        "events = 5\n",
        "[events.A]\nadmin = 1\n",
        '[events.A]\nwaiters = "some"\n',
        "[events.A]\nwaiters = true\n",
        "[events.A]\nchefs = true\n",
        "[event.A]\nadmin = true\n",
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name_and_with_what_is_expected(tmp_path: Path, text: str) -> None:
    with pytest.raises(RoutingError, match=r"routing\.toml"):
        load(tmp_path, text)


def test_a_file_that_is_not_there_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        RoutingTable.load(tmp_path / "none.toml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "routing.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(RoutingError):
        RoutingTable.load(path)
