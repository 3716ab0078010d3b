"""The code of the guide does what the guide says."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from gateway.client import Publisher
from gateway.protocol.keys import SOURCE
from tests.support.valkey import run_valkey

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "transactional-outbox.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def code() -> dict[str, Any]:
    """What the guide's Python defines."""
    names: dict[str, Any] = {}
    exec("\n".join(blocks("python")), names)
    return names


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "orders.db", check_same_thread=False)
    connection.executescript("CREATE TABLE payments (check_id INTEGER UNIQUE);" + "".join(blocks("sql")))
    yield connection
    connection.close()


def rows(db: sqlite3.Connection) -> list[tuple[str | None, str | None]]:
    return db.execute("SELECT sent, refused FROM outbox ORDER BY id").fetchall()


async def test_events_are_sent_in_order_and_a_sender_that_died_sends_nothing_twice(
    code: dict[str, Any], db: sqlite3.Connection
) -> None:
    with run_valkey() as server, Publisher.from_url(server.url) as publisher:
        for check in (1, 2, 3):
            code["pay_check"](db, check, session=77)
        with pytest.raises(sqlite3.IntegrityError):
            code["pay_check"](db, 3, session=77)  # rolled back, with its event
        send = code["send_outbox"]
        assert await asyncio.to_thread(send, db, publisher) == 3
        before = rows(db)
        # As if it had died before it could note what it had sent.
        db.execute("UPDATE outbox SET sent = NULL WHERE id > 1")
        db.commit()
        assert await asyncio.to_thread(send, db, publisher) == 2
        assert rows(db) == before
        assert await asyncio.to_thread(send, db, publisher) == 0
        async with Redis.from_url(server.url) as client:
            entries = await client.xrange(SOURCE)
        assert [json.loads(fields[b"event"])["check"] for _, fields in entries] == [1, 2, 3]
        assert [(number.decode(), None) for number, _ in entries] == before


async def test_a_refused_event_does_not_hold_up_the_others_and_an_outage_holds_up_all(
    code: dict[str, Any], db: sqlite3.Connection
) -> None:
    with run_valkey() as server, Publisher.from_url(server.url) as publisher:
        db.execute("INSERT INTO outbox (event) VALUES (?)", ('{"type":"NOPE","tenant_id":7,"branch_id":5}',))
        code["pay_check"](db, 1, session=77)
        assert await asyncio.to_thread(code["send_outbox"], db, publisher) == 2
        [(_, refused), (sent, _)] = rows(db)
        assert refused is not None
        assert "unknown_type" in refused
        assert sent is not None
        code["pay_check"](db, 2, session=77)
        server.stop()
        with pytest.raises(redis.exceptions.ConnectionError):
            await asyncio.to_thread(code["send_outbox"], db, publisher)
        assert rows(db)[2] == (None, None)
        server.start()
        assert await asyncio.to_thread(code["send_outbox"], db, publisher) == 1
