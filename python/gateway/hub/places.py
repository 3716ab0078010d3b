"""Places that hold over all nodes: how many connections a user, a table session and a tenant may have."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from gateway.auth.identity import Identity
from gateway.auth.revocation import judge, keys_for
from gateway.broker.limits_base import Claim, LimitStore, PlaceLimit
from gateway.errors import AbuseError, LimitError, StoppingError, TenantBusyError
from gateway.fanout.base import ConnectionIdentity
from gateway.hub.base import LimitObserver
from gateway.hub.node_beats import NodeBeats
from gateway.hub.penalties import Penalties
from gateway.protocol.limit_keys import abuse_key, presence_key, tenant_presence_key
from gateway.resilience.keyed_rate import KeyedRate
from gateway.telemetry.logging import get_logger

_log = get_logger("gateway.hub.places")


class PlaceLimits(NamedTuple):
    """The most connections over all nodes; 0 is unlimited."""

    user: int
    session: int
    tenant: int

    def of(self, tenant: int, key: str) -> tuple[PlaceLimit, ...]:
        """The sets that a connection has a place in; `key` is the first of its identity: `user:12`, `session:77`."""
        own = self.session if key.startswith("session:") else self.user
        limits = (PlaceLimit(presence_key(tenant, key), own), PlaceLimit(tenant_presence_key(tenant), self.tenant))
        return tuple(limit for limit in limits if limit.limit)


class Place:
    """What one join holds while it is under way. `check` stands in for a revocation check, and asks more at once.

    Attributes:
        number: of the place; 0 if there is none, since nothing limits who came.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self.number = 0
        self.identity: Identity | None = None
        self.kept = False

    async def check(self, identity: Identity) -> None:
        """Return if the token is not revoked and there is a place; one round trip for everything.

        Raises:
            LimitError: the user, the table session or the tenant has its connections (4029).
            AbuseError: it was closed for its message rate a moment ago (4029).
            TenantBusyError: the tenant connects faster than it may (1013).
            RevokedError: the token is revoked (4001).
            StoppingError: the node stops meanwhile (1001).
            BrokerError: Redis cannot be asked, and so nobody may be let in (1013).
        """
        self.identity = identity
        await self._places.claim(self, identity)

    def keep(self) -> None:
        """The connection is attached: its place is given up when it is closed."""
        self.kept = True


class Places:
    """Claims places and gives them up. For one event loop.

    A place is a name in Redis that lapses unless this node renews it (`hub.place_keeper`). It is the number in the
    connection's label; nothing else is kept here for a connection.

    Attributes:
        given_up: places that were given up and may still stand in Redis, by set.
    """

    def __init__(
        self,
        store: LimitStore,
        limits: PlaceLimits,
        penalties: Penalties,
        beats: NodeBeats,
        observer: LimitObserver,
        *,
        tenant_rate: KeyedRate[int],
        check_node: Callable[[Identity], None],
        on_given_up: Callable[[], None],
    ) -> None:
        """Take the limits and what is asked before Redis.

        Args:
            store: where places are.
            limits: over all nodes.
            penalties: who is refused for a while.
            beats: which nodes live.
            observer: sees how many places of dead nodes were freed.
            tenant_rate: how often a tenant may connect to this node.
            check_node: raises LimitError where this node alone has as many connections of somebody as all may have.
            on_given_up: is told that there is something to be written.
        """
        self._store = store
        self._limits = limits
        self._penalties = penalties
        self._tenant_rate = tenant_rate
        self._check_node = check_node
        self._on_given_up = on_given_up
        self._beats = beats
        self._observer = observer
        self._proofs: dict[str, asyncio.Task[None]] = {}
        self._numbers = itertools.count(1)
        self.given_up: dict[str, set[str]] = {}

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """One join: a place that was claimed and not kept is given up at the end."""
        place = Place(self)
        try:
            yield place
        finally:
            if place.number and not place.kept and place.identity is not None:
                self._give_up(place.identity.tenant, place.identity.keys[0], place.number)

    async def claim(self, place: Place, identity: Identity) -> None:
        """See `Place.check`."""
        key = identity.keys[0]
        self._check_node(identity)
        self._penalties.check(identity.tenant, key)
        if wait := self._tenant_rate.take(identity.tenant):
            raise TenantBusyError(f"the tenant connects too fast for this node; try again in {wait:.1f} s")
        limits = self._limits.of(identity.tenant, key)
        claim = None
        if limits:
            place.number = next(self._numbers)
            # Who closes one connection and opens another must not be refused because the first is still to be written.
            gone = tuple({name for limit in limits for name in self.given_up.get(limit.key, ())})
            claim = Claim(self._name(place.number), limits, gone)
        revocations = keys_for(identity)
        values, full = await self._store.ask([*revocations, abuse_key(identity.tenant, key)], claim)
        number = place.number
        if full is not None:
            place.number = 0  # none was taken
        judge(identity, values[: len(revocations)])
        if values[-1] is not None:
            raise AbuseError("closed for its message rate a moment ago, on some node")
        if full is not None and claim is not None:
            full = await self._claim_from_the_dead(place, number, claim, full)
        if full is not None:
            who = "tenant" if limits[full].key == tenant_presence_key(identity.tenant) else _who(key)
            raise LimitError(f"this {who} has its {limits[full].limit} connections over all nodes")

    async def _claim_from_the_dead(self, place: Place, number: int, claim: Claim, full: int) -> int | None:
        """Claim again, without what dead nodes hold; the number of the set that is full all the same.

        A node that crashed holds places until they lapse, and its clients are here now: they must not be turned away
        for themselves. So nobody is before every holder's node has said that it lives.
        """
        keys = [limit.key for limit in claim.limits]
        for _ in keys:
            await self._free_of_the_dead(keys[full], keys)
            place.number = number  # from here on it may have been taken, whatever the answer
            _, still = await self._store.ask([], claim)
            if still is None:
                return None
            place.number, full = 0, still
        return full

    async def _free_of_the_dead(self, key: str, keys: list[str]) -> None:
        """Give up what dead nodes hold in the sets; all who find one of them full at the same time wait together."""
        proof = self._proofs.get(key)
        if proof is None:
            proof = self._proofs[key] = asyncio.create_task(self._bury(key, keys), name="places-proof")
            proof.add_done_callback(lambda done: self._on_proved(key, done))
        try:
            # Shielded: one client that leaves must not end it for the others.
            await asyncio.shield(proof)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if proof.cancelled() and task is not None and not task.cancelling():
                raise StoppingError("the node stopped before it knew whether there is a place") from None
            raise

    def _on_proved(self, key: str, proof: asyncio.Task[None]) -> None:
        del self._proofs[key]
        if not proof.cancelled():
            proof.exception()  # looked at, since all who waited for it may be gone

    async def _bury(self, key: str, keys: list[str]) -> None:
        names = await self._store.holders(key)
        dead = await self._beats.dead_among(name.partition(":")[0] for name in names)
        gone = [name for name in names if name.partition(":")[0] in dead]
        if gone:
            _log.info("places of dead nodes are free", nodes=sorted(dead), places=len(gone))
            await self._store.give_up(dict.fromkeys(keys, gone))
            self._observer.on_places_freed(len(gone))

    def on_closed(self, identity: ConnectionIdentity, number: int) -> None:
        """A connection that kept its place is gone."""
        if number:
            self._give_up(identity.tenant, identity.keys[0], number)

    def held_by(self, identity: ConnectionIdentity, number: int) -> list[tuple[str, str]]:
        """Set and name of each place of a connection."""
        if not number:
            return []
        return [(limit.key, self._name(number)) for limit in self._limits.of(identity.tenant, identity.keys[0])]

    async def renew(self, held: dict[str, list[str]]) -> None:
        """Hold these places for another lease.

        Raises:
            BrokerError: they are held as long as they were.
        """
        await self._store.renew(held)

    async def flush(self) -> None:
        """Write what was given up.

        Raises:
            BrokerError: it stays to be written; if it never is, it lapses.
        """
        batch = {key: tuple(names) for key, names in self.given_up.items()}
        await self._store.give_up(batch)
        for key, names in batch.items():
            left = self.given_up[key]
            left.difference_update(names)
            if not left:
                del self.given_up[key]

    async def stop(self) -> None:
        """End what is being found out; who waits for it is refused."""
        for proof in self._proofs.values():
            proof.cancel()
        await asyncio.gather(*self._proofs.values(), return_exceptions=True)

    def _give_up(self, tenant: int, key: str, number: int) -> None:
        for limit in self._limits.of(tenant, key):
            self.given_up.setdefault(limit.key, set()).add(self._name(number))
        self._on_given_up()

    def _name(self, number: int) -> str:
        return f"{self._beats.run}:{number}"


def _who(key: str) -> str:
    return "table session" if key.startswith("session:") else "user"


IdentityCheck = Callable[[Identity], Awaitable[None]]
"""Returns if somebody may come in."""
