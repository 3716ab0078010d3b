"""Who is connected at the moment."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from gateway.demo.entitlement import Publication, entitled
from gateway.demo.world import Persona
from gateway.protocol.routing import Rule


class Attendance:
    """The people who must receive what is published from now on. For one thread.

    Somebody is entered once their `welcome` has arrived, and taken out before their connection is closed: what is
    published in between is what the gateway must deliver.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._numbers = itertools.count(1)
        self._present: dict[int, Persona] = {}

    def new_number(self) -> int:
        """A number for somebody who comes, never given twice."""
        return next(self._numbers)

    def enter(self, guest: int, persona: Persona) -> None:
        """From now on this person must receive what is theirs."""
        self._present[guest] = persona

    def leave(self, guest: int) -> None:
        """From now on nothing is expected for this person; one who is not there changes nothing."""
        self._present.pop(guest, None)

    def entitled(self, publication: Publication) -> Iterator[int]:
        """Everybody who must receive a publication."""
        return (guest for guest, persona in self._present.items() if entitled(persona, publication, self._rules))
