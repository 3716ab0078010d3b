"""Whatever comes out of a command becomes an exit status and a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest
import typer

from gateway import errors
from gateway.cli import application, entry, main
from gateway.cli.exits import EXIT_STATUSES, ExitStatus


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """A command line whose one command raises what is in the list."""
    raised: list[BaseException] = []
    broken = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @broken.command()
    def fail() -> NoReturn:
        raise raised[0]

    monkeypatch.setattr(entry, "application", broken)
    yield raised
    assert application.application is not broken


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.SettingsError("GATEWAY_X is wrong"), 2),
        (errors.RoutingError("no table"), 2),
        (errors.BrokerError("Redis is away"), 1),
        (errors.EmbeddedServerError("not there"), 1),
        (errors.GatewayError("something"), 1),
    ],
)
def test_an_error_of_ours_is_its_own_sentence(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    failing.append(error)
    assert main([]) == status
    captured = capsys.readouterr()
    assert captured.err == f"gateway: {error}\n"
    assert captured.out == ""


def test_a_bug_is_one_sentence_without_a_traceback(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(ZeroDivisionError("oops"))
    assert main([]) == 1
    captured = capsys.readouterr()
    assert "ZeroDivisionError: oops" in captured.err
    assert "Traceback" not in captured.err
    assert "bug" in captured.err


def test_ctrl_c_is_130_and_silent(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(KeyboardInterrupt())
    assert main([]) == 130
    assert capsys.readouterr().err == ""


def test_an_exit_status_is_passed_on(failing: list[BaseException]) -> None:
    failing.append(typer.Exit(1))
    assert main([]) == 1


COMMAND = ("token", "staff", "--tenant", "1", "--user", "1", "--branch", "1", "--role", "WAITER")


def test_nobody_reading_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", *COMMAND],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=os.environ | {"GATEWAY_JWT_SECRET": "x" * 32, "GATEWAY_TABLE_TOKEN_SECRET": "x" * 32},
        check=False,
    )
    os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == b""


def test_every_exit_status_has_a_meaning() -> None:
    assert set(EXIT_STATUSES) == set(ExitStatus)
