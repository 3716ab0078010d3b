"""The restaurants' back end: turns what happens into publications on Redis channels."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from gateway.broker.base import Broker
from gateway.demo.attendance import Attendance
from gateway.demo.entitlement import Publication
from gateway.demo.scenario import Happen
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.world import Table
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.protocol.routing import Rule
from gateway.types import Room

NUMBER = "publication"
"""The member that carries a publication's number, by which clients recognise it."""

# A mistake of the back end that the gateway must refuse: a guest's cart is no business of the kitchen, and an event
# of one branch does not belong on another branch's channel.
_STRAY_SHARE = 0.03


class BackEnd:
    """Publishes through the broker, and tells the scoreboard beforehand who must receive it.

    Publications of one room are made one after another, as a back end that commits in order would make them, so that
    their numbers say in which order they must arrive. For one event loop.
    """

    def __init__(
        self,
        broker: Broker,
        rules: Mapping[str, Rule],
        attendance: Attendance,
        scoreboard: Scoreboard,
        rng: random.Random,
    ) -> None:
        self._broker = broker
        self._rules = rules
        self._attendance = attendance
        self._scoreboard = scoreboard
        self._rng = rng
        self._numbers = itertools.count(1)
        self._turns: defaultdict[Room, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def tell(self, table: Table, session: int, happening: Happen) -> None:
        """Publish what happened at a table on every channel that the routing table gives it.

        Raises:
            BrokerError: Redis is away; whether the publication went out is not known.
        """
        rule = self._rules.get(happening.type)
        if rule is None:
            # A routing file of the user's may have replaced the table; what it does not know is not published.
            return
        for channel in self._channels(rule, table, session):
            await self._publish(channel, table, session, happening)
        if self._rng.random() < _STRAY_SHARE:
            await self._publish(self._wrong_channel(rule, table), table, session, happening, stray=True)

    async def _publish(
        self, channel: Channel, table: Table, session: int, happening: Happen, *, stray: bool = False
    ) -> None:
        async with self._turns[table.room]:
            publication = Publication(
                number=next(self._numbers),
                channel=channel,
                type=happening.type,
                room=table.room,
                sector=table.sector,
                session=session,
                stray=stray,
            )
            payload = msgspec.json.encode(
                {
                    "type": publication.type,
                    "tenant_id": table.room.tenant,
                    "branch_id": table.room.branch,
                    "sector_id": table.sector,
                    "session_id": session,
                    "table": table.number,
                    NUMBER: publication.number,
                    **happening.members,
                }
            )
            self._scoreboard.publishing(publication, self._attendance.entitled(publication), time.perf_counter())
            await self._broker.publish(channel.kind.of(channel.number), payload)

    def _channels(self, rule: Rule, table: Table, session: int) -> Iterator[Channel]:
        branch = table.room.branch
        if rule.admin:
            yield Channel(AudienceKind.ADMIN, branch)
        if rule.kitchen:
            yield Channel(AudienceKind.KITCHEN, branch)
        if rule.waiters:
            # Both are right: an event with a sector is narrowed to it by the gateway.
            by_sector = rule.waiters == "sector" and self._rng.random() < 0.5  # noqa: PLR2004 - either way
            yield Channel(AudienceKind.SECTOR, table.sector) if by_sector else Channel(AudienceKind.WAITERS, branch)
        if rule.session:
            yield Channel(AudienceKind.SESSION, session)

    @staticmethod
    def _wrong_channel(rule: Rule, table: Table) -> Channel:
        if not rule.kitchen:
            return Channel(AudienceKind.KITCHEN, table.room.branch)
        return Channel(AudienceKind.KITCHEN, table.room.branch % 2 + 1)
