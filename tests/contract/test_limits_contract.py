"""What `limits_base` promises, asked of the store in memory, of a real server and of a real cluster."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from gateway.broker.limits_base import BEAT_KEPT_SECONDS, Claim, ClaimAnswer, LimitStore, PlaceLimit
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_limits import RedisLimits
from gateway.broker.redis_questions import Question, SharedQuestions
from gateway.errors import BrokerError
from gateway.protocol.limit_keys import abuse_key, beat_key, presence_key, tenant_presence_key
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.clock import FakeClock
from tests.support.cluster import ValkeyCluster
from tests.support.memory_limits import MemoryLimits
from tests.support.valkey import ValkeyServer

_tenants = itertools.count(1)


@pytest.fixture
async def commands(valkey: ValkeyServer) -> AsyncIterator[RedisCommands]:
    made = RedisCommands(valkey.url, CircuitBreaker("commands", SystemClock()))
    yield made
    await made.close()


@pytest.fixture(params=["memory", "redis", "cluster"])
async def store(
    request: pytest.FixtureRequest, valkey: ValkeyServer, cluster: ValkeyCluster
) -> AsyncIterator[LimitStore]:
    if request.param == "memory":
        yield MemoryLimits(FakeClock())
        return
    url = valkey.url if request.param == "redis" else cluster.url
    commands = RedisCommands(url, CircuitBreaker("commands", SystemClock()))
    yield RedisLimits(commands)
    await commands.close()


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url)
    yield client
    await client.aclose()


@pytest.fixture
def tenant() -> int:
    return next(_tenants)


def claim(tenant: int, member: str, user: int = 2, everybody: int = 3, gone: tuple[str, ...] = ()) -> Claim:
    limits = (PlaceLimit(presence_key(tenant, "user:12"), user), PlaceLimit(tenant_presence_key(tenant), everybody))
    return Claim(member, limits, gone)


async def full(store: LimitStore, *claims: Claim) -> list[int | None]:
    return [(await store.ask([], wanted)).full for wanted in claims]


async def test_a_set_has_as_many_places_as_it_may_hold(store: LimitStore, tenant: int) -> None:
    assert await full(store, *(claim(tenant, f"n:{n}") for n in range(3))) == [None, None, 0]


async def test_the_same_place_may_be_claimed_twice(store: LimitStore, tenant: int) -> None:
    assert await full(store, claim(tenant, "n:1"), claim(tenant, "n:2"), claim(tenant, "n:2")) == [None] * 3


async def test_who_gets_no_place_in_one_set_takes_none_in_the_other(store: LimitStore, tenant: int) -> None:
    tight = [claim(tenant, f"n:{n}", user=9, everybody=1) for n in range(3)]
    assert await full(store, *tight) == [None, 1, 1]
    # The user's set holds one of the three: eight more fit.
    alone = [Claim(f"m:{n}", (PlaceLimit(presence_key(tenant, "user:12"), 9),)) for n in range(9)]
    assert await full(store, *alone) == [None] * 8 + [0]


class CountingCommands(RedisCommands):
    """Counts round trips."""

    trips = 0

    @asynccontextmanager
    async def asking(self, extra_seconds: float = 0.0, *, background: bool = False) -> AsyncIterator[Redis]:
        self.trips += 1
        async with super().asking(extra_seconds, background=background) as client:
            yield client


@pytest.fixture
async def counting(valkey: ValkeyServer) -> AsyncIterator[CountingCommands]:
    made = CountingCommands(valkey.url, CircuitBreaker("commands", SystemClock()))
    yield made
    await made.close()


async def test_joins_that_ask_together_share_a_round_trip_and_each_has_its_own_answer(
    counting: CountingCommands, redis: Redis, tenant: int
) -> None:
    await redis.set(f"{{tenant:{tenant}}}:x", "1", ex=60)
    store = RedisLimits(counting)
    asking = [
        store.ask([f"{{tenant:{tenant}}}:{'x' if n % 2 else 'y'}"], claim(tenant, f"n:{n}", everybody=9))
        for n in range(40)
    ]
    answers = await asyncio.gather(*asking)
    assert counting.trips == 1
    assert [answer.values for answer in answers] == [[b"1"] if n % 2 else [None] for n in range(40)]
    assert [answer.full for answer in answers] == [None, None] + [0] * 38


async def test_a_question_that_fails_or_is_given_up_harms_no_other(
    counting: CountingCommands, redis: Redis, tenant: int
) -> None:
    wrong = f"{{tenant:{tenant}}}:list"
    await redis.rpush(wrong, "no string, and no set of places")
    await redis.expire(wrong, 60)
    store = RedisLimits(counting)
    tasks = [
        asyncio.create_task(asked)
        for asked in (
            store.ask([], claim(tenant, "n:1")),
            store.ask([wrong], None),
            store.ask([], Claim("n:2", (PlaceLimit(wrong, 3),))),
            store.ask([], claim(tenant, "n:3")),
            store.ask([], claim(tenant, "n:4")),
        )
    ]
    await asyncio.sleep(0)
    tasks[3].cancel()
    first, read, claimed, given_up, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(read, BrokerError)
    assert isinstance(claimed, BrokerError)
    assert isinstance(given_up, asyncio.CancelledError)
    assert (first, last) == (ClaimAnswer([], None), ClaimAnswer([], None))
    assert counting.trips == 1


async def test_when_the_server_is_away_everybody_hears_it() -> None:
    commands = RedisCommands("redis://127.0.0.1:1", CircuitBreaker("commands", SystemClock()))
    store = RedisLimits(commands)
    answers = await asyncio.gather(*(store.ask(["x"], None) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [BrokerError] * 5
    await commands.close()


async def test_what_is_asked_while_round_trips_are_under_way_goes_in_the_next_one() -> None:
    gates = [asyncio.Event() for _ in range(4)]
    asked: list[list[str]] = []

    async def ask_all(questions: Sequence[Question]) -> list[ClaimAnswer | Exception]:
        asked.append([question.keys[0] for question in questions])
        await gates[len(asked) - 1].wait()
        return [ClaimAnswer([question.keys[0].encode()], None) for question in questions]

    questions = SharedQuestions(ask_all)
    tasks = []
    for name in "abcdef":
        tasks.append(asyncio.create_task(questions.ask(Question([name], None))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert asked == [["a"], ["b"]]
    gates[1].set()
    await asyncio.sleep(0.01)
    assert asked == [["a"], ["b"], ["c", "d", "e", "f"]]
    for gate in gates:
        gate.set()
    answers = await asyncio.gather(*tasks)
    assert [answer.values for answer in answers] == [[name.encode()] for name in "abcdef"]


async def test_who_asks_as_soon_as_another_has_its_answer_is_answered_too() -> None:
    gate = asyncio.Event()

    async def ask_all(questions: Sequence[Question]) -> list[ClaimAnswer | Exception]:
        await gate.wait()
        return [ClaimAnswer([], None) for _ in questions]

    questions = SharedQuestions(ask_all)

    async def ask(times: int) -> None:
        for _ in range(times):
            await questions.ask(Question([], None))

    tasks = []
    for times in (2, 1):  # the first of each are two round trips, which end in the same turn of the loop
        tasks.append(asyncio.create_task(ask(times)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)


async def test_a_place_that_is_given_up_is_free(store: LimitStore, tenant: int) -> None:
    assert await full(store, claim(tenant, "n:1", user=1)) == [None]
    key = presence_key(tenant, "user:12")
    await store.give_up({key: ["n:1", "n:unknown"], tenant_presence_key(tenant): ["n:1"]})
    assert await full(store, claim(tenant, "n:2", user=1, everybody=1)) == [None]


async def test_a_claim_takes_with_it_what_was_given_up_before(store: LimitStore, tenant: int) -> None:
    assert await full(store, claim(tenant, "n:1", user=1, everybody=1)) == [None]
    assert await full(store, claim(tenant, "n:2", user=1, everybody=1, gone=("n:1", "n:0"))) == [None]


async def test_what_is_renewed_is_held_though_it_was_lost(store: LimitStore, tenant: int) -> None:
    await store.renew({presence_key(tenant, "user:12"): ["n:1", "n:2"]})
    assert await full(store, claim(tenant, "n:3")) == [0]


async def test_keys_are_read_along_with_a_claim_and_without_one(store: LimitStore, tenant: int) -> None:
    penalty = abuse_key(tenant, "user:12")
    await store.penalise({penalty: 60.0})
    assert await store.ask(["no", penalty], None) == ClaimAnswer([None, b"1"], None)
    assert await store.ask([penalty], claim(tenant, "n:1")) == ClaimAnswer([b"1"], None)
    assert await store.ask([], None) == ClaimAnswer([], None)


async def test_a_set_says_who_holds_its_places(store: LimitStore, tenant: int) -> None:
    assert await store.holders(presence_key(tenant, "user:12")) == []
    await full(store, claim(tenant, "n:1"), claim(tenant, "m:1"))
    assert sorted(await store.holders(presence_key(tenant, "user:12"))) == ["m:1", "n:1"]


async def test_a_node_that_said_that_it_lives_is_known_by_its_last_word(store: LimitStore, tenant: int) -> None:
    await store.beat(f"a{tenant}", 1)
    await store.beat(f"a{tenant}", 2)
    await store.beat(f"b{tenant}", 7)
    assert await store.beats([f"a{tenant}", "never", f"b{tenant}"]) == [b"2", None, b"7"]
    assert await store.beats([]) == []


async def test_nothing_to_write_is_no_error(store: LimitStore) -> None:
    await store.renew({})
    await store.give_up({})
    await store.penalise({})


async def test_many_at_once_get_as_many_places_as_there_are(store: LimitStore, tenant: int) -> None:
    answers = await asyncio.gather(*(store.ask([], claim(tenant, f"n:{n}", user=5, everybody=99)) for n in range(40)))
    assert sorted(str(answer.full) for answer in answers) == ["0"] * 35 + ["None"] * 5


# --- what only Redis can be asked ------------------------------------------------------------------------------


async def test_a_place_lapses_unless_it_is_renewed(commands: RedisCommands, tenant: int) -> None:
    store = RedisLimits(commands, lease=0.4)
    assert await full(store, claim(tenant, "dead:1"), claim(tenant, "n:2"), claim(tenant, "n:3")) == [None, None, 0]
    key = presence_key(tenant, "user:12")

    async def renewed() -> None:
        while await full(store, claim(tenant, "n:3")) == [0]:
            await store.renew({key: ["n:2"], tenant_presence_key(tenant): ["n:2"]})
            await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        await renewed()
    assert await full(store, claim(tenant, "n:4")) == [0], "the one that was renewed is still there"


async def test_every_key_ends_by_itself_and_has_the_tenants_hash_tag(
    commands: RedisCommands, redis: Redis, tenant: int
) -> None:
    store = RedisLimits(commands)
    await store.ask([], claim(tenant, "n:1"))
    await store.renew({presence_key(tenant, "session:77"): ["n:2"]})
    await store.penalise({abuse_key(tenant, "user:12"): 60.0})
    await store.beat("run", 1)
    assert 0 < await redis.pttl(beat_key("run")) <= BEAT_KEPT_SECONDS * 1000
    keys = [key async for key in redis.scan_iter(f"*tenant:{tenant}}}*")]
    assert len(keys) == 4
    for key in keys:
        assert key.startswith(b"{tenant:%d}:" % tenant)
        assert 0 < await redis.pttl(key) <= 60_000


async def test_everything_that_a_join_asks_goes_out_in_one_write(
    commands: RedisCommands, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisLimits(commands)
    await store.ask([], claim(tenant, "n:0"))  # a connection is there, and the server knows the script
    writes = []
    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, *arguments: Any, **options: Any) -> None:
        writes.append(arguments)
        await send(self, *arguments, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    answer = await store.ask(["jwt:blacklist:x", "no", abuse_key(tenant, "user:12")], claim(tenant, "n:1"))
    assert answer == ClaimAnswer([None] * 3, None)
    assert len(writes) == 1


async def test_a_server_that_lost_its_scripts_is_told_them_again(
    commands: RedisCommands, redis: Redis, tenant: int
) -> None:
    store = RedisLimits(commands)
    await full(store, claim(tenant, "n:1"))
    await redis.script_flush()
    assert await full(store, claim(tenant, "n:2"), claim(tenant, "n:3")) == [None, 0]
    await redis.script_flush()
    await store.renew({presence_key(tenant, "user:12"): ["n:1"], tenant_presence_key(tenant): ["n:1"]})


async def test_a_key_of_another_type_is_an_error_and_not_a_place(
    commands: RedisCommands, redis: Redis, tenant: int
) -> None:
    await redis.set(presence_key(tenant, "user:12"), "mine")
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        await RedisLimits(commands).ask([], claim(tenant, "n:1"))


async def test_a_server_that_is_away_gives_no_place(tenant: int) -> None:
    commands = RedisCommands("redis://127.0.0.1:1/0", CircuitBreaker("commands", SystemClock()))
    with pytest.raises(BrokerError):
        await RedisLimits(commands).ask([], claim(tenant, "n:1"))
    await commands.close()
