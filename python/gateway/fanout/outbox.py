"""The outbox of one connection: bounded in bytes, and honest about what it drops. No I/O."""

from __future__ import annotations

from gateway.fanout.budget import OutboxBudget
from gateway.fanout.message import CLOSE_COST, GAP_COST, Close, Entry, Gap, Message, Sort


class Outbox:
    """Entries in the order in which they go out. Event loop only.

    On overflow, best-effort events are dropped, the oldest first and just enough of them, and a gap stands in their
    place. An entry that was taken to be written is out of reach of that, but is charged
    until the next `take`, because the server still holds it.

    Entries stand in a table by running number, not in a deque: the oldest droppable one may stand behind any number
    of critical ones, and a `_hand` that only ever moves forward finds it without looking twice at any. The table
    exists only while something waits.

    Attributes:
        used: bytes charged, what is being written included.
    """

    __slots__ = ("_budget", "_entries", "_hand", "_head", "_limit", "_tail", "_untold", "_writing", "used")

    def __init__(self, limit: int, budget: OutboxBudget) -> None:
        self.used = 0
        self._limit = limit
        self._budget = budget
        self._entries: dict[int, Entry] | None = None
        self._head = 0  # the next to take; may be a hole that a merged gap left
        self._tail = 0  # the number of the next entry
        self._hand = 0  # nothing below it can be dropped any more
        self._writing = 0  # bytes of the entry that was taken last
        self._untold = 0  # events dropped by the push that did not fit

    def push(self, message: Message, beside: int = 0) -> int | None:
        """Put a message behind all others; how many events were dropped to make room.

        The newcomer is itself the last best-effort event to go. None says that dropping all of them was not enough:
        the connection is too slow to be kept, and its outbox is good for nothing but `discard`.

        `beside` is what waits for the connection elsewhere, in bytes: one limit counts both.
        """
        self.append(message)
        return self.make_room(beside)

    def append(self, message: Message) -> None:
        """Put a message behind all others, whatever waits."""
        self._append(message, message.cost)

    def make_room(self, beside: int) -> int | None:
        """Drop what has to be, so that no more than the limit waits; see `push`."""
        dropped = 0
        while self.used + beside > self._limit:
            if not self._drop_oldest():
                self._untold = dropped
                return None
            dropped += 1
        return dropped

    def push_close(self, code: int) -> None:
        """Put the close behind everything; it always has room. The caller pushes nothing after it."""
        self._append(Close(code), CLOSE_COST)

    def take(self) -> Entry | None:
        """The next entry to write, or None; what was taken before now counts as written."""
        self._charge(-self._writing)
        self._writing = 0
        entries = self._entries
        if entries is None:
            return None
        while (entry := entries.pop(self._head, None)) is None:
            self._head += 1
        self._head += 1
        if not entries:
            self._forget_table()
        self._writing = _cost(entry)
        return entry

    def take_over(self, other: Outbox) -> None:
        """Put all that waits in another outbox, of which nothing is being written, behind what waits here.

        Its charges come with it, so nothing is looked at twice.
        """
        if other._entries is None:
            return
        entries = self._entries = self._entries or {}
        for entry in other._entries.values():
            entries[self._tail] = entry
            self._tail += 1
        self.used += other.used
        other.used = 0
        other._forget_table()

    def discard(self) -> int:
        """Throw away everything that waits; what is being written stays charged.

        Returns:
            how many best-effort events are lost with it, and with the push that did not fit.
        """
        waiting = (self._entries or {}).values()
        lost = self._untold + sum(isinstance(one, Message) and one.sort is Sort.BEST_EFFORT for one in waiting)
        self._untold = 0
        self._charge(self._writing - self.used)
        self._forget_table()
        return lost

    def clear(self) -> None:
        """Throw away everything and charge nothing any more: the connection has ended."""
        self._charge(-self.used)
        self._writing = 0
        self._forget_table()

    def _append(self, entry: Entry, cost: int) -> None:
        if self._entries is None:
            self._entries = {}
        self._entries[self._tail] = entry
        self._tail += 1
        self._charge(cost)

    def _drop_oldest(self) -> bool:
        """Let a gap stand for the oldest best-effort event, or the one before it grow; False if none is left."""
        entries = self._entries
        if entries is None:
            return False
        number = max(self._hand, self._head)
        while number < self._tail:
            entry = entries.get(number)
            if isinstance(entry, Message) and entry.sort is Sort.BEST_EFFORT:
                break
            number += 1
        self._hand = number
        if number == self._tail or not isinstance(entry := entries[number], Message):
            return False
        self._charge(-entry.cost)
        # Events are dropped oldest first, so a neighbouring gap can only stand directly before this one. It moves up,
        # and leaves a hole behind: numbers stay in the order in which entries go out.
        before = entries.get(number - 1)
        if isinstance(before, Gap):
            del entries[number - 1]
            entries[number] = Gap(before.dropped + 1)
        else:
            entries[number] = Gap(1)
            self._charge(GAP_COST)
        return True

    def _charge(self, delta: int) -> None:
        self.used += delta
        self._budget.used += delta

    def _forget_table(self) -> None:
        self._entries = None
        self._head = self._tail = self._hand = 0


def _cost(entry: Entry) -> int:
    if isinstance(entry, Message):
        return entry.cost
    return GAP_COST if isinstance(entry, Gap) else CLOSE_COST
