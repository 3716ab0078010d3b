"""A whole run, as it is kept in `benches/results/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benches.load.binaries import ROOT
from benches.load.errors import BenchError
from benches.load.machine import slug
from benches.load.measurement import Measurement

FOLDER = ROOT / "benches" / "results"

SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """Everything that was measured in one run, and on what.

    Attributes:
        date: ISO date.
        machine: see `describe_machine`.
        versions: see `describe_versions`.
        method: in what way; members are told in `docs/concepts/performance.md`.
        measurements: the numbers.
    """

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    method: dict[str, Any]
    measurements: tuple[Measurement, ...]

    def save(self, folder: Path = FOLDER) -> Path:
        """Write it to `<date>-<machine class>.json`.

        Of an earlier run of that day, on the same machine, with the same versions and in the same way, the scenarios
        stay that were not measured again.
        """
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.date}-{slug(self.machine['class'])}.json"
        members = {
            "schema": SCHEMA,
            "date": self.date,
            "machine": self.machine,
            "versions": self.versions,
            "method": self.method,
            "measurements": [one.to_json() for one in (*self._kept(path), *self.measurements)],
        }
        path.write_text(json.dumps(members, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return path

    def _kept(self, path: Path) -> tuple[Measurement, ...]:
        if not path.exists():
            return ()
        earlier = Result.load(path)
        if (earlier.machine, earlier.versions, earlier.method) != (self.machine, self.versions, self.method):
            return ()
        measured = {one.scenario for one in self.measurements}
        return tuple(one for one in earlier.measurements if one.scenario not in measured)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BenchError: it is of another schema.
        """
        members = json.loads(path.read_text("utf-8"))
        if members.get("schema") != SCHEMA:
            raise BenchError(f"{path.name} has schema {members.get('schema')}; expected {SCHEMA}: measure again")
        return cls(
            date=members["date"],
            machine=members["machine"],
            versions=members["versions"],
            method=members["method"],
            measurements=tuple(Measurement.from_json(one) for one in members["measurements"]),
        )

    @classmethod
    def latest(cls, folder: Path = FOLDER) -> Self:
        """The newest one.

        Raises:
            BenchError: there is none.
        """
        paths = sorted(folder.glob("[0-9]*.json"))
        if not paths:
            raise BenchError("there is no result yet: run `make bench-load`")
        return cls.load(paths[-1])
