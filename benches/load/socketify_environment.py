"""The environment of socketify, which is no dependency of the gateway and must not become one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benches.load.binaries import ROOT
from benches.load.errors import BenchError

_HOME = ROOT / ".venvs" / "bench"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def socketify_python() -> Path:
    """The interpreter that has socketify; the environment is made, or made anew, where it is not as required.

    Raises:
        BenchError: it cannot be installed here.
    """
    python, stamp = _HOME / "bin" / "python", _HOME / ".packages"
    wanted = _REQUIREMENTS.read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return python
    shutil.rmtree(_HOME, ignore_errors=True)
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
    try:
        subprocess.run([sys.executable, "-m", "venv", _HOME], check=True)
        subprocess.run([python, *pip, "--requirement", _REQUIREMENTS], check=True)
    except subprocess.CalledProcessError:
        raise BenchError("socketify cannot be installed here; say --no-socketify to measure without it") from None
    stamp.write_bytes(wanted)
    return python
