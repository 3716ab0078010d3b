"""From the cursors of rooms into the fan-out: what follows is submitted, and the cursors move with it in one step."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.fanout.base import Submission
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.live_base import LiveObserver, RepairCause, RoomFanout
from gateway.ingest.room_cursor import RoomCursor, RoomState, Verdict
from gateway.protocol.events import DropReason
from gateway.protocol.live import BestEffortEvent, CriticalEvent, LiveMessage
from gateway.protocol.positions import began_at

SOURCE = "live"
"""How this way in is called in metrics."""

_log = logging.getLogger("gateway.ingest")


class RoomFeed:
    """Submits events, at once and in order, and says which rooms must be read from history.

    Nothing in here waits: between a cursor's move and the submission that it stands for nobody else has a turn, so a
    client that is attached at any moment gets exactly what comes after the cursor.

    For one event loop; not thread-safe.

    Args:
        fanout: takes the events.
        observer: sees the counts.
        drop_rate: is told how many best-effort events were dropped; a critical one never is.
    """

    def __init__(self, fanout: RoomFanout, observer: LiveObserver, drop_rate: EventDropRateTracker) -> None:
        self._fanout = fanout
        self._observer = observer
        self._drop_rate = drop_rate

    def pass_on(
        self, messages: Iterable[tuple[RoomCursor, LiveMessage]], received: float | None = None
    ) -> dict[RoomCursor, RepairCause]:
        """Submit live messages, received at so many Unix seconds.

        Returns:
            the rooms that have to be read from history; each is in the state READING already, so that what comes
            next for it waits.
        """
        batch: list[tuple[RoomCursor, LiveMessage]] = []
        broken: dict[RoomCursor, RepairCause] = {}
        for cursor, message in messages:
            if isinstance(message, BestEffortEvent):
                batch.append((cursor, message))
                continue
            match cursor.offer(message):
                case Verdict.NEXT:
                    cursor.advance(message)
                    batch.append((cursor, message))
                case Verdict.REPEAT:
                    cursor.advance(message)
                case Verdict.BROKEN:
                    cursor.read()
                    broken[cursor] = RepairCause.LOST_MESSAGE
        # A room may be both: what came before the broken place found no permit.
        return broken | dict.fromkeys(self._submit(batch, received), RepairCause.QUEUE_FULL)

    def replay(self, cursor: RoomCursor, events: Sequence[CriticalEvent]) -> bool:
        """Submit what history gave after the cursor; False when there was no permit for the last of it."""
        batch: list[tuple[RoomCursor, LiveMessage]] = []
        for event in events:
            new = cursor.is_new(event)
            cursor.advance(event)
            if new:
                batch.append((cursor, event))
        return not self._submit(batch)

    def _submit(
        self, batch: Sequence[tuple[RoomCursor, LiveMessage]], received: float | None = None
    ) -> list[RoomCursor]:
        """Submit; the cursors of refused critical events go back to before them. Gives those that did."""
        if not batch:
            return []
        try:
            answers = self._fanout.submit_many([_submission(cursor, message, received) for cursor, message in batch])
        except Exception:
            # A fault of ours. Whoever logs it must find the cursors where they were, or the events would be lost in
            # silence.
            for cursor, message in reversed(batch):
                if isinstance(message, CriticalEvent):
                    cursor.retreat(message)
            raise
        behind: dict[RoomCursor, None] = {}
        lost = 0
        # The newest first. After a refusal the rest of the room in this batch is refused too (`Fanout.submit_many`),
        # so what goes back is the end of what went forward.
        for (cursor, message), accepted in zip(reversed(batch), reversed(answers), strict=True):
            if accepted:
                continue
            if isinstance(message, BestEffortEvent):
                lost += 1
                continue
            cursor.retreat(message)
            if cursor.state is RoomState.FOLLOWING:
                cursor.read()
            behind[cursor] = None
        self._count(batch, sum(answers), lost)
        return list(behind)

    def _count(self, batch: Sequence[tuple[RoomCursor, LiveMessage]], accepted: int, lost: int) -> None:
        if accepted:
            self._observer.on_submitted(accepted)
        if lost:
            self._observer.on_dropped(DropReason.QUEUE_FULL, lost)
        best_effort = sum(isinstance(message, BestEffortEvent) for _, message in batch)
        if best_effort:
            self._drop_rate.record(best_effort, Counter({DropReason.QUEUE_FULL: lost}) if lost else {})


def _submission(cursor: RoomCursor, message: LiveMessage, received: float | None) -> Submission:
    if isinstance(message, CriticalEvent):
        position = message.position
        return Submission(cursor.room, message.audiences, message.payload, position, began_at(position), SOURCE)
    return Submission(cursor.room, message.audiences, message.payload, None, received, SOURCE)
