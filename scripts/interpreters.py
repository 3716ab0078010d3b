"""Which Python interpreters on PATH the gateway is tested on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)


class Interpreter(NamedTuple):
    """An interpreter that was started and answered."""

    version: tuple[int, int]
    executable: str

    @property
    def name(self) -> str:
        """Such as `3.12`."""
        return ".".join(map(str, self.version))


def find_interpreters() -> list[Interpreter]:
    """The first interpreter of each minor version from 3.11 that PATH holds and that runs, oldest first."""
    found: dict[tuple[int, int], Interpreter] = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for candidate in sorted(Path(folder).glob("python3*")) if folder else ():
            if re.fullmatch(r"python3(\.\d+)?", candidate.name):
                interpreter = _ask(candidate)
                if interpreter is not None and interpreter.version >= OLDEST:
                    found.setdefault(interpreter.version, interpreter)
    return [found[version] for version in sorted(found)]


def _ask(candidate: Path) -> Interpreter | None:
    # A version manager's shim exists for versions that do not run: only an answer counts.
    code = "import sys; print(*sys.version_info[:2], sys.executable)"
    try:
        answer = subprocess.run([candidate, "-c", code], capture_output=True, text=True, timeout=20, check=True)
        major, minor, executable = answer.stdout.split(maxsplit=2)
        return Interpreter((int(major), int(minor)), executable.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


if __name__ == "__main__":
    for interpreter in find_interpreters():
        print(interpreter.name, interpreter.executable)
