"""Builds and tests the clients: `make clients`. What `make test` runs of it stands here, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "typescript"
NODE = 20

_NPM = ("npm", "--prefix", str(PACKAGE), "--loglevel=error")

TESTS = (*_NPM, "test")
"""Builds the package and tests it."""

MODULE = PACKAGE / "dist" / "index.min.js"
"""The browser module that the build makes."""

DEMO_MODULE = ROOT / "python" / "gateway" / "endpoints" / "demo" / "assets" / "fanout-client.js"
"""Its copy for the demo page, which the wheel takes along."""

_PAGE_LINT = (
    str(PACKAGE / "node_modules" / ".bin" / "biome"),
    *("ci", "--error-on-warnings", "--config-path=scripts/demo-page.biome.json"),
    str(DEMO_MODULE.parent),
)

PYTHON_TESTS = ("-m", "pytest", "-q", "tests/unit/client", "tests/integration/test_clients.py")


def missing() -> str | None:
    """Why the TypeScript client cannot be built here, and what to do; None where it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return f"Node {NODE} or newer with npm is needed, and not on PATH: install it (package nodejs and npm, or nvm)"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"v(\d+)\.", version)
    if found is None or int(found[1]) < NODE:
        return f"Node {NODE} or newer is needed, and `node --version` says {version or 'nothing'}: install a newer one"
    return None


def preparations() -> list[tuple[str, tuple[str, ...]]]:
    """The steps before the tests: name and command."""
    checks = [("lint and types", (*_NPM, "run", "check")), ("lint of the demo page", _PAGE_LINT)]
    # npm writes this file at the end of an installation.
    installed = PACKAGE / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (PACKAGE / "package-lock.json").stat().st_mtime:
        return checks
    return [("packages", (*_NPM, "ci", "--no-audit", "--no-fund")), *checks]


def build() -> list[tuple[str, ...]]:
    """The commands that only build."""
    return [command for name, command in preparations() if name == "packages"] + [(*_NPM, "run", "build")]


def give_to_demo() -> None:
    """Copy the built module to where the demo page is served from."""
    shutil.copyfile(MODULE, DEMO_MODULE)


def main() -> int:
    """See the module."""
    if why := missing():
        print(why)
        return 1
    commands = [command for _, command in preparations()]
    for command in (*commands, TESTS, (sys.executable, *PYTHON_TESTS)):
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            return code
        if command is TESTS:
            give_to_demo()
    return 0


if __name__ == "__main__":
    sys.exit(main())
