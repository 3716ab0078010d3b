"""The page of the documentation that describes the command line, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from gateway.cli.application import application
from gateway.cli.exits import EXIT_STATUSES

# Of a command only what typer has always offered is read, and no type: typer's own command classes have changed
# places more than once, and metavars say what is expected anyway.


def cli_reference() -> str:
    """`docs/reference/cli.md`: every command with its options and examples. Deterministic."""
    root: Any = get_command(application)
    lines = [
        "# Command line",
        "",
        "`gateway` and `python -m gateway` are the same. This page is generated from the commands.",
        "",
        root.help,
        "",
        "| exit status | meaning |",
        "|---|---|",
        *(f"| {status.value} | {meaning} |" for status, meaning in EXIT_STATUSES.items()),
    ]
    for name, command in _commands("gateway", root):
        lines += ["", *_section(name, command)]
    return "\n".join(lines) + "\n"


def _commands(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Every command that does something, groups opened, in the order of `--help`."""
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        if hasattr(command, "commands"):
            yield from _commands(path, command)
        else:
            yield path, command


def _section(name: str, command: Any) -> list[str]:
    shown = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter.metavar for parameter in shown if parameter.param_type_name == "argument"]
    usage = " ".join([name, *arguments, "[OPTIONS]"])
    return [
        f"## {name}",
        "",
        f"`{usage}`",
        "",
        command.help,
        "",
        "| argument or option | default | meaning |",
        "|---|---|---|",
        *(_row(parameter) for parameter in shown),
        "",
        *_examples(command.epilog),
    ]


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar
    else:
        name = " ".join(filter(None, (parameter.opts[0], parameter.metavar)))
    return f"| `{name}` | {_default(parameter)} | {_cell(parameter.help)} |"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return _cell(parameter.show_default)
    if parameter.default is None or parameter.default is False:
        return ""
    return f"`{parameter.default}`"


def _examples(epilog: str) -> list[str]:
    commands = [line.strip() for line in epilog.split("\n\n")[1:]]
    return ["```sh", *commands, "```"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
