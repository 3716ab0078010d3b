"""A client's log from what stands on the wire."""

from __future__ import annotations

from tests.faults.recorder import ClientLog, Ended, Heard, ToldDropped, ToldGap, Welcomed
from tests.faults.script import KITCHEN


def test_every_message_has_its_item_and_positions_move_with_them() -> None:
    log = ClientLog(KITCHEN)
    log.welcome(
        "a", '{"type":"welcome","connection_id":"x","heartbeat":30,"positions":{"5":"0-0"}}', {}, dialled=0.5, now=1.0
    )
    log.take('{"event_id":"7-0","position":"7-0/aa","type":"CHECK_PAID","branch_id":5,"n":3}', 2.0)
    log.take('{"type":"CART_SYNC","branch_id":5,"n":4}', 3.0)
    assert log.positions == {5: "7-0/aa"}
    log.take('{"type":"pong","positions":{"5":"8-0/bb"}}', 4.0)
    log.take('{"type":"gap","dropped":2}', 5.0)
    log.take('{"type":"gap","branch":5,"critical":true}', 6.0)
    log.take('{"type":"reconnect","after":2.5}', 6.5)
    log.end(1001, 7.0)
    assert log.positions == {5: "8-0/bb"}
    assert log.items() == [
        Welcomed(1.0, {5: "0-0"}, {}, {}),
        Heard(2.0, 3, 5, "7-0"),
        Heard(3.0, 4, 5, None),
        ToldDropped(5.0, 2),
        ToldGap(6.0, 5),
        Ended(7.0, 1001),
    ]
    assert log.strange == []


def test_a_welcome_says_what_was_resumed() -> None:
    log = ClientLog(KITCHEN)
    text = '{"type":"welcome","connection_id":"x","heartbeat":30,"positions":{"5":"9-0/cc"},"resumed":{"5":false}}'
    log.welcome("b", text, {5: "8-0/bb"}, dialled=0.5, now=1.0)
    assert log.items() == [Welcomed(1.0, {5: "9-0/cc"}, {5: "8-0/bb"}, {5: False})]
    assert log.positions == {5: "9-0/cc"}


def test_what_no_client_should_get_is_kept() -> None:
    log = ClientLog(KITCHEN)
    log.welcome("a", '{"type":"welcome","positions":{"5":"0-0"}}', {}, dialled=0.5, now=1.0)
    log.take('{"type":"error","code":"bad_json"}', 2.0)
    assert log.strange == ['{"type":"error","code":"bad_json"}']
