"""Judges critical events: from one client's log and the ledger to a verdict. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tests.faults.ledger import Sent
from tests.faults.recorder import ClientLog, Heard, ToldGap, Welcomed

SHOWN = 5
"""Faults of one kind that a verdict spells out; the rest are counted."""


@dataclass(slots=True)
class Verdict:
    """What became of the critical events of one client.

    Attributes:
        expected: how many it was entitled to.
        delivered: how many of them it heard.
        announced: how many it missed and was told of, in a place that covers them.
        silent: those that it missed and was not told of, by number.
        wrong: sentences about everything else that must not be.
    """

    expected: int = 0
    delivered: int = 0
    announced: int = 0
    silent: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A line of the log that is about one branch: an event with its number, or None for an announcement."""

    at: float
    number: int | None


def judge(log: ClientLog, lines: Sequence[Sent]) -> Verdict:
    """Hold a log against the ledger.

    An event that is missing is *announced* when the client was told, between the last event before it and the first
    after it, and not before it was offered to Redis. What was told once must have been true at that place: a gap does
    not excuse what is lost later. Order and repetition: within a branch numbers grow from one announcement to the next,
    over reconnections too, and no event comes twice at all.
    """
    verdict = Verdict(wrong=[f"strange message: {text}" for text in log.strange])
    _judge_answers(log, verdict)
    by_number = {sent.number: sent for sent in lines}
    _judge_heard(log, by_number, verdict)
    for branch in log.seat.branches:
        in_room = [sent for sent in lines if sent.critical and sent.accepted is not None and sent.branch == branch]
        marks = list(_marks(log, branch))
        _judge_order(branch, marks, verdict)
        expected = [sent for sent in _since_join(log, branch, in_room) if log.seat.may_see(sent.event)]
        _judge_missing(expected, marks, verdict)
    return verdict


def _judge_answers(log: ClientLog, verdict: Verdict) -> None:
    """Who asks to resume a branch is told whether it was."""
    unanswered = [
        branch
        for item in log.items()
        if isinstance(item, Welcomed)
        for branch in item.asked
        if branch not in item.resumed
    ]
    _complain(verdict, "asked to resume a branch and was not answered", unanswered)


def _judge_heard(log: ClientLog, by_number: dict[int, Sent], verdict: Verdict) -> None:
    """Each event is one that a producer sent, meant for this client, and there for the first time."""
    seen: set[tuple[int, str]] = set()
    foreign, twice = [], []
    for item in log.items():
        if not isinstance(item, Heard) or item.event_id is None:
            continue
        sent = by_number.get(item.number)
        if sent is None or not sent.critical or not log.seat.may_see(sent.event):
            foreign.append(item.number)
        key = (item.number, item.event_id)
        if key in seen:
            twice.append(item.number)
        seen.add(key)
    _complain(verdict, "heard what it may not see", foreign)
    _complain(verdict, "heard twice", twice)


def _judge_order(branch: int, marks: Sequence[_Mark], verdict: Verdict) -> None:
    newest = -1
    back = []
    for mark in marks:
        if mark.number is None:
            newest = -1  # after an announcement history may have begun again
        elif mark.number < newest:
            back.append(mark.number)
        else:
            newest = mark.number
    _complain(verdict, f"branch {branch}: heard after a later one", back)


def _judge_missing(expected: Sequence[Sent], marks: Sequence[_Mark], verdict: Verdict) -> None:
    heard = {mark.number for mark in marks if mark.number is not None}
    newest = list(accumulate((-1 if mark.number is None else mark.number for mark in marks), max))
    verdict.expected += len(expected)
    for sent in expected:
        if sent.number in heard:
            verdict.delivered += 1
        elif _covered(sent, marks, newest):
            verdict.announced += 1
        else:
            verdict.silent.append(sent.number)


def _covered(missing: Sent, marks: Sequence[_Mark], newest: Sequence[int]) -> bool:
    """Whether the client was told between the last event before a missing one and the first behind it.

    Everything before that first is older than the missing one, so only its neighbour matters.
    """
    behind = bisect_right(newest, missing.number)
    return behind > 0 and marks[behind - 1].number is None and marks[behind - 1].at >= missing.began


def _marks(log: ClientLog, branch: int) -> Iterator[_Mark]:
    first = True
    for item in log.items():
        match item:
            case Heard() if item.event_id is not None and item.branch == branch:
                yield _Mark(item.at, item.number)
            case ToldGap() if item.branch == branch:
                yield _Mark(item.at, None)
            case Welcomed():
                # A client that asks for nothing begins anew, and knows it.
                if not first and (branch not in item.asked or item.resumed.get(branch) is False):
                    yield _Mark(item.at, None)
                first = False


def _since_join(log: ClientLog, branch: int, in_room: Sequence[Sent]) -> Sequence[Sent]:
    """What came behind the position of the first welcome."""
    welcome = next((item for item in log.items() if isinstance(item, Welcomed)), None)
    if welcome is None:
        return in_room
    joined = welcome.positions[branch].partition("/")[0]
    for index, sent in enumerate(in_room):
        if sent.entry_id == joined:
            return in_room[index + 1 :]
    return [sent for sent in in_room if sent.began >= welcome.at] if joined != "0-0" else in_room


def _complain(verdict: Verdict, what: str, numbers: Sequence[int]) -> None:
    if numbers:
        verdict.wrong.append(f"{what}: {list(numbers[:SHOWN])} ({len(numbers)} in all)")
