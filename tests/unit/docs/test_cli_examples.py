"""Commands that documents show have the options that they are shown with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.application import application
from tests.support.documents import blocks, name_of, pages
from tests.support.terminal import commands


def _shown() -> Iterator[tuple[str, str]]:
    for page in pages():
        for block in blocks(page):
            if block.language == "sh":
                for line in commands(block.code):
                    for call in re.findall(r"(?:^|[\s(/])(gateway (?!-|serve$)[^|)#<]*)", line):
                        yield name_of(page), call.strip()


SHOWN = sorted(set(_shown()))


@pytest.mark.parametrize(("page", "call"), SHOWN, ids=[f"{page}:{call}" for page, call in SHOWN])
def test_a_command_knows_what_it_is_shown_with(page: str, call: str) -> None:
    command: Any = get_command(application)
    words = re.sub(r"'[^']*'|\"[^\"]*\"", "X", call).split()[1:]
    while hasattr(command, "commands") and words:
        name = words.pop(0)
        assert name in command.commands, f"{page}: {call}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, f"{page}: {call}"


def test_there_are_commands_to_look_at() -> None:
    assert len(SHOWN) > 15
