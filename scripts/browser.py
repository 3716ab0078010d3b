"""The pages in a real browser: `make browser`. What `make test` needs to know about it stands here, too."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

from scripts import clients

TESTS = ("tests/browser",)

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser's executable: that of the variable CHROMIUM, else the first one on PATH; None where there is none."""
    return os.environ.get("CHROMIUM") or next((found for name in _NAMES if (found := shutil.which(name))), None)


def missing_browser() -> str | None:
    """Why no page can be tested here, and what to do; None where the console's can."""
    if chromium() is None:
        return "Chromium is needed, and not on PATH: install it (`apt-get install chromium`), or name it in CHROMIUM"
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is needed, which has no wheel for this platform"
    return None


def missing() -> str | None:
    """Why the demo page cannot be tested here, and what to do; None where every page can."""
    if why := missing_browser():
        return why
    if not clients.DEMO_MODULE.exists():
        return "the TypeScript client, which the page is made of, is not built: run `make clients` (Node and npm)"
    return None


def main() -> int:
    """See the module."""
    if not clients.DEMO_MODULE.exists() and clients.missing() is None:
        for command in clients.build():
            if code := subprocess.run(command, cwd=clients.ROOT, check=False).returncode:
                return code
        clients.give_to_demo()
    if why := missing():
        print(why)
        return 1
    return subprocess.run((sys.executable, "-m", "pytest", *TESTS, *sys.argv[1:]), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
