"""Runs every check and every test, and ends with one line that counts them: `N passed, N failed, N skipped`.

`--fast` is `make check`: no servers, no other interpreters. A step that is not a test runner (a linter, a type
checker) counts as one test.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts import browser, clients
from scripts.interpreters import Interpreter, find_interpreters

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
WORK = ROOT / ".venvs"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
# Fast suites that say something about an interpreter; the servers' behaviour is tested on the first one.
PORTABLE = ["tests/unit", "tests/contract", "tests/property", "tests/integration/test_endpoints.py"]


Count = Callable[[str, int], tuple[int, int, int]]
"""From a step's output and exit status: passed, failed, skipped."""


@dataclass
class Result:
    """What one step did."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    left_out: str = ""


@dataclass
class Run:
    """The steps so far."""

    results: list[Result] = field(default_factory=list)

    def command(self, name: str, *command: str | Path) -> bool:
        """A step that passes or fails as a whole."""
        return self._step(name, command, lambda _output, code: (int(code == 0), int(code != 0), 0))

    def cargo(self, name: str, *command: str) -> bool:
        """A step whose output holds cargo's own counts."""

        def count(output: str, code: int) -> tuple[int, int, int]:
            found = re.findall(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", output)
            passed, failed, ignored = (sum(int(row[i]) for row in found) for i in range(3))
            # A build that breaks runs no test, and must not look like one that had none.
            return passed, max(failed, int(code != 0)), ignored

        return self._step(name, command, count)

    def node(self, name: str, *command: str) -> bool:
        """A step whose output holds the counts of Node's own test runner."""

        def count(output: str, code: int) -> tuple[int, int, int]:
            found = dict(re.findall(r"^\S+ (pass|fail|skipped) (\d+)$", output, re.MULTILINE))
            # A run that broke off says no counts, and must not look like one that had no failure.
            failed = max(int(found.get("fail", 0)), int(code != 0 or not found))
            return int(found.get("pass", 0)), failed, int(found.get("skipped", 0))

        return self._step(name, command, count)

    def left_out(self, name: str, why: str) -> None:
        """A step that this machine cannot run; where everything must be there (CI), it has failed."""
        print(f"\n=== {name}\nleft out: {why}", flush=True)
        must = os.environ.get("CI") == "true"
        self.results.append(Result(name, 0, int(must), int(not must), 0.0, why))

    def pytest(self, name: str, python: Path, *arguments: str) -> bool:
        """A step that pytest counts."""
        report = WORK / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.xml"
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)

        def count(_output: str, code: int) -> tuple[int, int, int]:
            if not report.exists():
                return 0, 1, 0
            suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - our own pytest wrote it
            assert suite is not None  # noqa: S101
            tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            # pytest fails without a failed test, too: nothing collected, an internal error.
            failed = max(failed, int(code != 0))
            return max(tests - skipped - failed, 0), failed, skipped

        return self._step(name, [python, "-m", "pytest", "-q", f"--junitxml={report}", *arguments], count)

    def _step(self, name: str, command: Sequence[str | Path], count: Count) -> bool:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            # The build backend is a program of the venv, which nobody needs to have activated.
            env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output = []
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            output.append(line)
            print(line, end="", flush=True)
        code = process.wait()
        passed, failed, skipped = count("".join(output), code)
        self.results.append(Result(name, passed, failed, skipped, time.monotonic() - began))
        return code == 0

    def finish(self) -> int:
        """Print the table and the last line; the exit status."""
        print(f"\n{'step':<44}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
        for result in self.results:
            mark = "  <-- FAILED" if result.failed else ""
            print(
                f"{result.name:<44}{result.passed:>8}{result.failed:>8}{result.skipped:>9}{result.seconds:>9.1f}{mark}"
            )
        for result in self.results:
            if result.left_out:
                print(f"{result.name} left out: {result.left_out}")
        passed, failed, skipped = (
            sum(getattr(result, field) for result in self.results) for field in ("passed", "failed", "skipped")
        )
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        return 1 if failed or not passed else 0


def static_checks(run: Run) -> None:
    """Everything that reads the sources without running them."""
    run.command("ruff format", BIN / "ruff", "format", "--check", "--quiet", ".")
    run.command("ruff", BIN / "ruff", "check", "--quiet", ".")
    run.command("bandit", BIN / "bandit", "--quiet", "--recursive", "--severity-level", "medium", "python")
    run.command("mypy", BIN / "mypy")
    run.command("import-linter", BIN / "lint-imports", "--no-cache")
    run.command("stubtest", BIN / "python", "-m", "scripts.check_stubs")
    run.command("rustfmt", "cargo", "fmt", "--all", "--check")
    clippy = ("cargo", "clippy", "--quiet", "--workspace", "--all-targets")
    run.command("clippy", *clippy, "--", "-D", "warnings")
    run.command("clippy, with Python", *clippy, "--features", "python", "--", "-D", "warnings")


def typescript_client(run: Run) -> None:
    """Before the tests in Python: those against a gateway use what is built here."""
    if why := clients.missing():
        run.left_out("TypeScript client", why)
        return
    for name, command in clients.preparations():
        if not run.command(f"TypeScript client: {name}", *command):
            return
    if run.node("TypeScript client: tests", *clients.TESTS):
        clients.give_to_demo()


def browser_tests(run: Run) -> None:
    """Behind the TypeScript client, which the demo page is made of."""
    if why := browser.missing():
        run.left_out("browser tests", why)
    else:
        run.pytest("browser tests", BIN / "python", *browser.TESTS)


def on_interpreter(run: Run, interpreter: Interpreter, wheel: Path) -> None:
    """The portable suites on another interpreter, with the built wheel installed as a user would."""
    home = WORK / interpreter.name
    python = home / "bin" / "python"
    lock = ROOT / "requirements.lock"
    stamp = home / ".packages"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        shutil.rmtree(home, ignore_errors=True)
        if not (
            run.command(f"venv of Python {interpreter.name}", interpreter.executable, "-m", "venv", home)
            and run.command(
                f"packages of Python {interpreter.name}", python, *PIP, "install", "--require-hashes", "-r", lock
            )
        ):
            return
        stamp.write_bytes(lock.read_bytes())
    install = (python, *PIP, "install", "--no-deps", "--force-reinstall", wheel)
    if run.command(f"wheel on Python {interpreter.name}", *install):
        run.pytest(f"tests on Python {interpreter.name}", python, *PORTABLE)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="static checks and unit tests alone")
    fast = parser.parse_args().fast

    run = Run()
    static_checks(run)
    run.cargo("cargo test", "cargo", "test", "--quiet", "--workspace")
    if fast:
        run.pytest("unit tests", BIN / "python", "tests/unit")
        return run.finish()

    typescript_client(run)
    run.pytest("tests", BIN / "python", "tests", "--ignore=tests/browser")
    browser_tests(run)
    run.pytest("benchmarks check their answers", BIN / "python", "benches", "--benchmark-disable")

    others = [found for found in find_interpreters() if found.version != sys.version_info[:2]]
    wheels = WORK / "wheels"
    if others:
        shutil.rmtree(wheels, ignore_errors=True)
        build: list[str | Path] = [
            BIN / "python",
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        if run.command("wheel", *build, "--no-build-isolation", "--wheel-dir", wheels, "."):
            for interpreter in others:
                on_interpreter(run, interpreter, next(wheels.glob("*.whl")))
    tested = [f"{sys.version_info.major}.{sys.version_info.minor}", *(found.name for found in others)]
    print(f"\ntested on Python {', '.join(tested)}")
    return run.finish()


if __name__ == "__main__":
    sys.exit(main())
