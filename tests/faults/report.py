"""What a fault did to everybody: all verdicts of a world added up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.best_effort import judge_best_effort
from tests.faults.counters import Counters
from tests.faults.handed_late import judge_handed_late
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.recorder import ClientLog, ToldGap, Welcomed


@dataclass(slots=True)
class Report:
    """One line of the loss budget.

    Deliveries are counted, not events: one event that three clients may see is three.

    Attributes:
        sent: critical events that Redis accepted.
        due: deliveries of them.
        delivered: those that were made.
        announced: those that were not, and whose client was told.
        silent: those that were not, without a word.
        gaps: how often clients were told, whether or not they had missed anything.
        best_effort_due: the same for best-effort events.
        best_effort_delivered: the same.
        best_effort_counted: not made, and in a counter, a `gap` or an absence of the client.
        best_effort_silent: not made, and in none.
        wrong: everything else that must not be, in sentences.
        recovery: seconds from the end of the fault until everybody had heard the first critical event offered after it;
            the longest of all rounds.
    """

    sent: int = 0
    due: int = 0
    delivered: int = 0
    announced: int = 0
    silent: int = 0
    gaps: int = 0
    best_effort_due: int = 0
    best_effort_delivered: int = 0
    best_effort_counted: int = 0
    best_effort_silent: int = 0
    wrong: list[str] = field(default_factory=list)
    recovery: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing happened that must not."""
        return not self.wrong and not self.silent and not self.best_effort_silent


def report_of(logs: Sequence[ClientLog], ledger: Ledger, counters: Mapping[str, Counters]) -> Report:
    """Judge every client."""
    report = Report(sent=len(ledger.accepted(critical=True)), wrong=judge_handed_late(logs, ledger.lines))
    for log in logs:
        name = log.seat.name
        verdict = judge(log, ledger.lines)
        report.due += verdict.expected
        report.delivered += verdict.delivered
        report.announced += verdict.announced
        report.silent += len(verdict.silent)
        report.gaps += announcements(log)
        best = judge_best_effort(log, ledger.lines, counters)
        report.best_effort_due += best.expected
        report.best_effort_delivered += best.delivered
        report.best_effort_counted += best.counted
        report.best_effort_silent += len(best.silent)
        report.wrong += [f"{name}: {sentence}" for sentence in (*verdict.wrong, *best.wrong)]
        if verdict.silent:
            report.wrong.append(f"{name}: critical events missing without a word: {verdict.silent[:5]}")
        if best.silent:
            report.wrong.append(f"{name}: best-effort events missing in no counter: {best.silent[:5]}")
    return report


def announcements(log: ClientLog) -> int:
    """How often a client was told that it may have missed a critical event."""
    return sum(
        1 if isinstance(item, ToldGap) else list(item.resumed.values()).count(False)
        for item in log.items()
        if isinstance(item, ToldGap | Welcomed)
    )
