"""Every help text teaches: it says what the command does, and shows how."""

from __future__ import annotations

import pytest

from gateway.cli.reference import cli_reference
from tests.unit.cli.conftest import Run

COMMANDS = [
    (),
    ("serve",),
    ("token",),
    ("token", "staff"),
    ("token", "table"),
    ("publish",),
    ("emit",),
    ("dlq",),
    ("dlq", "list"),
    ("dlq", "show"),
    ("dlq", "replay"),
    ("dlq", "discard"),
    ("tail",),
    ("top",),
    ("connections",),
    ("rooms",),
    ("delivery",),
    ("doctor",),
    ("config",),
    ("demo",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_a_result_and_holds_an_example(run: Run, command: tuple[str, ...]) -> None:
    ended = run(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "Example" in ended.out
    assert f"gateway {' '.join(command)}".strip() in ended.out.split("Example")[1]
    # What is for programmers stays in the source.
    assert "Raises" not in ended.out


@pytest.mark.parametrize("command", [(), ("token",), ("dlq",)], ids=["gateway", "token", "dlq"])
def test_a_command_that_is_missing_is_wrong_usage_and_shows_the_help(run: Run, command: tuple[str, ...]) -> None:
    ended = run(*command)
    assert ended.status == 2
    assert "Commands" in ended.out + ended.err


def test_an_unknown_command_or_option_is_wrong_usage(run: Run) -> None:
    for arguments in (("srve",), ("serve", "--prot", "1"), ("publish",), ("demo", "extra")):
        ended = run(*arguments)
        assert (ended.status, ended.out) == (2, "")
        assert "--help" in ended.err


def test_the_version_is_a_result(run: Run) -> None:
    ended = run("--version")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.strip().count(".") == 2


def test_the_reference_has_every_command_with_its_options_and_examples() -> None:
    page = cli_reference()
    for command in COMMANDS:
        if command not in ((), ("token",), ("dlq",)):
            section = page.split(f"\n## gateway {' '.join(command)}\n")[1].split("\n## ")[0]
            assert "```sh\ngateway" in section
            assert "|---|---|---|\n| `" in section
    for option in ("--redis-url URL", "--workers N", "--table-token T", "--seconds N", "--expires SECONDS", "--all"):
        assert f"| `{option}` |" in page
    assert "| `--tenant ID` | required | The tenant. |" in page
    assert cli_reference() == page
