"""What a run has measured so far, as it is kept in `benches/results/relay.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from benches.load.errors import BenchError
from benches.load.result import FOLDER
from benches.relay.measure import Measured
from benches.relay.shape import Shape

PATH = FOLDER / "relay.json"

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One run, whole or broken off.

    Attributes:
        date: ISO date.
        machine: see `benches.load.machine`.
        versions: of everything whose speed is in the numbers.
        whole: whether it came to its end.
        decode_route: see `benches.relay.routing`.
        busy: the load average of the minute before it: threads that others had ready to run.
        measured: in the order in which it was measured.
    """

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    whole: bool
    decode_route: float
    busy: float
    measured: tuple[Measured, ...] = ()

    def has(self, shape: Shape) -> bool:
        """Whether an arrangement was measured."""
        return any((one.rooms, one.nodes) == shape for one in self.measured)

    def with_more(self, found: list[Measured]) -> Self:
        """The same with another arrangement."""
        return replace(self, measured=(*self.measured, *found))

    def goes_on_from(self, earlier: Record) -> bool:
        """Whether an earlier run broke off, and was of the same day, machine and versions."""
        same = (self.date, self.machine, self.versions) == (earlier.date, earlier.machine, earlier.versions)
        return same and not earlier.whole

    def save(self, path: Path = PATH) -> None:
        """Write it."""
        members = {
            "schema": SCHEMA,
            "date": self.date,
            "machine": self.machine,
            "versions": self.versions,
            "whole": self.whole,
            "decode_route": round(self.decode_route),
            "busy": round(self.busy, 1),
            "measured": [_rounded(one) for one in self.measured],
        }
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(members, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path = PATH) -> Self:
        """Read what `save` wrote.

        Raises:
            BenchError: there is none, or it is of another schema.
        """
        if not path.exists():
            raise BenchError("there is no result yet: run `make bench-relay`")
        members = json.loads(path.read_text("utf-8"))
        if members.pop("schema", None) != SCHEMA:
            raise BenchError(f"{path.name} is of another schema than {SCHEMA}: measure again")
        measured = tuple(Measured(**one) for one in members.pop("measured"))
        return cls(**members, measured=measured)


def _rounded(one: Measured) -> dict[str, Any]:
    """Four digits: more would claim what no machine keeps."""
    members = one._asdict().items()
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in members}
