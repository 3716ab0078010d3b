"""No example is left out by accident: each page's are run by a test that reads it, or say that they are not run."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter

import pytest

from gateway.protocol.routing import RoutingTable
from tests.support.documents import ROOT, Block, blocks, name_of, pages

CODE = ("sh", "python", "js", "ts", "sql")
"""Languages whose examples are to be run, typed, or type-checked."""

NOT_RUN = Counter({"sh": 14, "python": 2, "js": 1})
"""How many examples say `no-run`: what needs another machine, downloads, or is somebody else's code. A new one changes
this number, and is so decided on and not forgotten."""

EXAMPLES = [block for page in pages() for block in blocks(page)]


def _tests() -> str:
    """The sources of all tests but those that look at every page."""
    files = (ROOT / "tests").rglob("test_*.py")
    return "\n".join(file.read_text("utf-8") for file in files if "docs" not in file.parent.name)


def test_every_page_that_shows_code_is_read_by_a_test_that_runs_it() -> None:
    tests = _tests()
    # `test_cli_examples` holds the command reference, which is generated, to the commands.
    shown = {block.page for block in EXAMPLES if block.language in CODE and block.runs} - {"docs/reference/cli.md"}
    unread = [page for page in shown if re.search(rf"[\"/]{_stem(page)}(?:\.md)?\"", tests) is None]
    assert unread == [], "no test names these pages: run what they show, as test_shell_examples does, or say `no-run`"


def _stem(page: str) -> str:
    return re.escape(page.removesuffix(".md").rpartition("/")[2])


def test_what_is_not_run_is_counted() -> None:
    assert Counter(block.language for block in EXAMPLES if not block.runs) == NOT_RUN


def test_no_block_evades_being_run_by_another_name() -> None:
    # Without a language: pictures, exchanges, and Redis' own commands, which `test_security_page` runs.
    names = {block.language for block in EXAMPLES}
    assert not names & {"bash", "shell", "console", "zsh", "py", "python3", "javascript", "typescript"}
    assert {block.info.partition(" ")[2] for block in EXAMPLES} <= {"", "no-run"}


@pytest.mark.parametrize(
    "block", [block for block in EXAMPLES if block.language in ("toml", "json")], ids=lambda block: block.page
)
def test_data_can_be_read(block: Block) -> None:
    (tomllib.loads if block.language == "toml" else json.loads)(block.code)


def test_the_routing_pages_file_is_a_routing_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = ROOT / "docs" / "reference" / "routing.md"
    [toml] = [block.code for block in blocks(page) if block.language == "toml"]
    path = tmp_path_factory.mktemp("routing") / "routing.toml"
    path.write_text(toml)
    rule = RoutingTable.load(path).rules["STOCK_LOW"]
    assert (rule.admin, rule.kitchen, rule.waiters, rule.session) == (True, True, "sector", False), name_of(page)
