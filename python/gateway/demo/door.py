"""Where everybody comes in: a token for each person, and a connection."""

from __future__ import annotations

import asyncio

from gateway.demo.attendance import Attendance
from gateway.demo.guest import Guest
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.tokens import TokenOffice
from gateway.demo.world import Persona

# Handshakes at once: as many as a gateway on a small machine answers without a queue.
_WIDTH = 8


class Door:
    """Lets people in. For one event loop.

    Args:
        url: the gateway, as `ws://127.0.0.1:8001`.
        office: gives everybody a token.
        attendance: where they are entered.
        scoreboard: where what they receive is counted.
    """

    def __init__(self, url: str, office: TokenOffice, attendance: Attendance, scoreboard: Scoreboard) -> None:
        self._url = url
        self._office = office
        self._attendance = attendance
        self._scoreboard = scoreboard
        self._width = asyncio.Semaphore(_WIDTH)

    async def admit(self, persona: Persona) -> Guest:
        """Connect one person; from then on they must receive what is theirs.

        Raises:
            DemoError: the gateway refused, or did not answer in time.
        """
        async with self._width:
            token = self._office.token(persona)
            return await Guest.arrive(persona, self._url, token, self._attendance, self._scoreboard)
