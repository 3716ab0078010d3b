"""How quick everything else stays while events go out to everybody: the event loop, and heartbeats."""

from __future__ import annotations

import time

from benches.load.contenders import Bench
from benches.load.measurement import Measurement
from benches.load.pair import Pair

PINGERS = 200
PING_EVERY_MS = 1_000
FAN_OUT_SECONDS = 2.0
"""Of each round, at least: some 400 heartbeats, of which four are above p99."""

_EVENTS = 8
"""Between two looks at the watch."""

UNIT = "ms p99"


def measure(bench: Bench, clients: int) -> list[Measurement]:
    """The gateway with `clients` that get one event after the other, and the same at rest (`gateway-idle`)."""
    with Pair(bench, "gateway", clients) as pair:
        pair.send(1, 1)
        lag: dict[bool, list[float]] = {True: [], False: []}
        heartbeat: dict[bool, list[float]] = {True: [], False: []}
        pingers = min(PINGERS, clients)
        for turn in range(bench.rounds):
            for busy in (False, True):
                pair.taken()
                pair.client.say(f"ping {pingers} {PING_EVERY_MS}")
                pair.server.ask("lag start", "lag", 5)
                _pass_time(pair, busy=busy)
                lag[busy].append(pair.server.ask("lag stop", "lag", 5)["p99"])
                pair.client.say("ping 0 1")
                heartbeat[busy].append(pair.taken()["heartbeat_us"]["p99"] / 1_000)
                bench.step(
                    f"responsiveness, round {turn + 1}, {'fan-out' if busy else 'idle'}: "
                    f"loop {lag[busy][-1]:.2f}, heartbeat {heartbeat[busy][-1]:.2f} {UNIT}"
                )
    return [
        Measurement(scenario, clients, "gateway" if busy else "gateway-idle", UNIT, tuple(values[busy]))
        for scenario, values in (("lag", lag), ("heartbeat", heartbeat))
        for busy in (True, False)
    ]


def steps(bench: Bench) -> int:
    """How many steps `measure` tells."""
    return 2 * bench.rounds


def _pass_time(pair: Pair, *, busy: bool) -> None:
    if not busy:
        time.sleep(FAN_OUT_SECONDS)
        return
    until = time.monotonic() + FAN_OUT_SECONDS
    while time.monotonic() < until:
        pair.send(_EVENTS, 1)
