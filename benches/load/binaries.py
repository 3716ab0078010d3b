"""The bench's own programs, in Rust: built when they are asked for."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benches.load.errors import BenchError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

BUILD_SECONDS = 900


@dataclass(frozen=True)
class Binaries:
    """Paths of the built programs."""

    load_client: Path
    bare_server: Path
    relay_load: Path

    @classmethod
    def build(cls, *, release: bool = True) -> Binaries:
        """Build them; quick if nothing changed.

        Args:
            release: as measured; otherwise as `cargo test` builds, which is enough to check answers.

        Raises:
            BenchError: cargo is missing, or the build failed.
        """
        command = ["cargo", "build", "--quiet", "--package", "fanout_load", "--message-format", "json"]
        if release:
            command.append("--release")
        try:
            built = subprocess.run(
                command, cwd=ROOT, stdout=subprocess.PIPE, timeout=BUILD_SECONDS, check=True, text=True
            )
        except FileNotFoundError:
            raise BenchError("cargo is not on PATH: the load bench needs Rust") from None
        except subprocess.CalledProcessError:
            raise BenchError("the load bench's programs do not build; cargo's own words are above") from None
        found = {}
        for line in built.stdout.splitlines():
            message = json.loads(line)
            if message.get("executable"):
                found[message["target"]["name"]] = Path(message["executable"])
        return cls(found["load-client"], found["bare-server"], found["relay-load"])
