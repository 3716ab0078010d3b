"""The behaviour table of the clients (`clients/behaviour`), and what plays a row of it to the Python client."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.client import Event, Stale, State, Throttled, Timing
from gateway.client.address import Address
from gateway.client.positions import Positions
from gateway.client.provider import checked_token
from gateway.client.session import Attempt, Session

TABLE = Path(__file__).resolve().parents[2] / "clients" / "behaviour"
BASE = "ws://gateway.test"
EPOCH = 1_700_000_000.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One situation and the reactions to it."""

    title: str
    name: str
    given: Json
    steps: list[Json]

    def __str__(self) -> str:
        return f"{self.title}: {self.name}"


def rows() -> list[Row]:
    """Every row of every file."""
    found = []
    for path in sorted(TABLE.glob("*.json")):
        page = json.loads(path.read_text("utf-8"))
        found += [Row(page["title"], row["name"], row.get("given", {}), row["steps"]) for row in page["rows"]]
    return found


class FakeTimers:
    """Keeps `gateway.client.timers.Timers`; time moves by `advance` alone."""

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def time(self) -> float:
        return EPOCH + self._now

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self._count += 1
        entry = (self._now + seconds, self._count, call)
        self._calls.append(entry)

        def cancel() -> None:
            if entry in self._calls:
                self._calls.remove(entry)

        return cancel

    def advance(self, seconds: float) -> None:
        """Let time pass, call by call."""
        end = self._now + seconds
        while due := sorted(entry for entry in self._calls if entry[0] <= end + 1e-9):
            self._calls.remove(due[0])
            self._now = max(self._now, due[0][0])
            due[0][2]()
        self._now = end


@dataclass
class FakeLink:
    """Keeps `gateway.client.link.Link`; says what is done to it."""

    attempt: Attempt
    reactions: list[Json]
    names: dict[str, str]

    def send(self, text: str) -> None:
        if text == "ping":
            self.reactions.append({"send": "ping"})
        else:
            message = json.loads(text)
            message["token"] = self.names[message["token"]]
            self.reactions.append({"send": message})

    def close(self) -> None:
        self.reactions.append({"close": 1000})

    def drop(self) -> None:
        self.reactions.append({"drop": True})


@dataclass
class Stage:
    """A session with everything around it played by the row. Keeps `gateway.client.session.Outlet`, too."""

    given: Json
    reactions: list[Json] = field(default_factory=list)
    timers: FakeTimers = field(default_factory=FakeTimers)
    links: list[FakeLink] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = dict(self.given)
        self._address = Address(BASE, given.pop("endpoint", "kitchen"))
        self._tokens = list(given.pop("tokens", ["t1"]))
        self._random = list(given.pop("random", []))
        self._names: dict[str, str] = {}
        self._session = Session(
            connect=self._connect,
            ask=self._ask,
            outlet=self,
            positions=Positions(given.pop("stored", None)),
            timers=self.timers,
            timing=Timing(attempts=given.pop("attempts", Timing().attempts)),
            uniform=lambda: self._random.pop(0) if self._random else 0.5,
        )
        if given.pop("offline", False):
            self._session.offline()
        made = given.pop("attemptsMade", 0)
        positions, heartbeat = given.pop("positions", {}), given.pop("heartbeat", 30)
        connected = given.pop("connected", False)
        assert not given, f"the table says what nobody knows: {given}"
        if connected:
            self._session.start()
            self.receive({"type": "welcome", "connection_id": "c1", "heartbeat": heartbeat, "positions": positions})
        if made:
            self._fail(made)
        self.reactions.clear()

    def _fail(self, times: int) -> None:
        """Come to the last of so many attempts, without spending the row's random numbers."""
        kept, self._random = self._random, []
        self._session.start()
        for _ in range(times):
            before = len(self.links)
            self.links[-1].attempt.closed(1006, None)
            while len(self.links) == before:
                self.timers.advance(0.5)
        self._random = kept

    def play(self, when: Json) -> list[Json]:
        """Let one thing happen; the reactions to it."""
        [(verb, value)] = when.items()
        match verb:
            case "start" | "stop" | "wake" | "offline" | "online":
                getattr(self._session, verb)()
            case "receive":
                self.receive(value)
            case "receiveText":
                self.links[-1].attempt.message(value)
            case "close":
                self.links[-1].attempt.closed(value, None)
            case "wait":
                self.timers.advance(value)
            case _:
                raise AssertionError(f"the table says what nobody knows: {verb}")
        reactions, self.reactions[:] = list(self.reactions), []
        return reactions

    def receive(self, message: Json) -> None:
        self.links[-1].attempt.message(json.dumps(message))

    # --- what the session needs --------------------------------------------------------------------------------------

    def _ask(self, given: Callable[[str], None], failed: Callable[[Exception], None]) -> None:
        self.reactions.append({"ask": "token"})
        told = self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]
        told = {"name": told} if isinstance(told, str) else told
        if told.get("fails"):
            failed(RuntimeError("the provider fails"))
            return
        token = self._token(told)
        try:
            checked_token(token)
        except ValueError as error:
            failed(error)
            return
        if "after" in told:
            self.timers.after(told["after"], lambda: given(token))
        else:
            given(token)

    def _token(self, told: Json) -> str:
        token: str = told["name"]
        if "exp" in told:
            claims = {"exp": EPOCH + told["exp"], "iat": EPOCH + told["iat"], "name": told["name"]}
            token = f"v1.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"
        self._names[token] = told["name"]
        return token

    def _connect(self, resume: str, token: str, attempt: Attempt) -> FakeLink:
        url = self._address.resuming(resume)
        self.reactions.append({"connect": url.removeprefix(BASE), "token": self._names[token]})
        self.links.append(FakeLink(attempt, self.reactions, self._names))
        return self.links[-1]

    # --- what the session says ---------------------------------------------------------------------------------------

    def state(self, state: State) -> None:
        self.reactions.append({"state": state.value})

    def deliver(self, message: Event | Stale | Throttled) -> None:
        match message:
            case Event():
                self.reactions.append({"event": message.data})
            case Stale():
                self.reactions.append({"stale": list(message.branches)})
            case Throttled():
                self.reactions.append({"throttled": message.dropped})

    def moved(self, positions: dict[str, str]) -> None:
        self.reactions.append({"saved": positions})

    def gave_up(self, code: int, attempts: int, cause: BaseException | None) -> None:
        self.reactions.append({"giveUp": {"code": code, "attempts": attempts}})
