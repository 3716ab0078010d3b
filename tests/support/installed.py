"""The built distributions, and an environment in which the wheel alone is installed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 400.0
"""For one build or one installation, on a machine that is busy."""


@dataclass(frozen=True)
class Distributions:
    """The two files that are published."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Installed:
    """An environment that knows nothing of the checkout: neither its folder nor its packages."""

    bin: Path
    home: Path

    @property
    def gateway(self) -> Path:
        return self.bin / "gateway"

    def run(self, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment, to its end; what it said is kept."""
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.home,
            env=bare_environment(**settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def bare_environment(**settings: str) -> dict[str, str]:
    """This process' environment without what leads to the checkout or sets the gateway."""
    led = ("GATEWAY_", "PYTHON", "MAKE", "MFLAGS", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(led)} | settings


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a build step; what it said, if it failed, is the test's error."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=bare_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
