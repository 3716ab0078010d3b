"""No example is left out by accident: each is run by a test that is named here, or says that it is not run."""

from __future__ import annotations

import json
import tomllib
from collections import Counter

import pytest

from gateway.protocol.routing import RoutingTable
from tests.support.documents import ROOT, Block, blocks, name_of, pages

CODE = ("sh", "python", "js", "ts", "sql")
"""Languages whose examples are to be run, typed, or type-checked."""

RUN_BY: dict[str, tuple[str, ...]] = {
    "README.md": ("test_shell_examples.py",),
    "clients/typescript/README.md": ("test_client_guides.py",),
    "docs/concepts/security.md": ("test_shell_examples.py",),
    "docs/guides/at-night.md": ("test_night_guide.py",),
    "docs/guides/browser-client.md": ("test_client_guides.py",),
    "docs/guides/coming-from-fastapi.md": ("test_client_guides.py",),
    "docs/guides/coming-from-socketio.md": ("test_client_guides.py",),
    "docs/guides/demo.md": ("test_shell_examples.py",),
    "docs/guides/first-event.md": ("test_shell_examples.py",),
    "docs/guides/python-client.md": ("test_client_guides.py",),
    "docs/guides/tracing.md": ("test_tracing.py",),
    "docs/guides/transactional-outbox.md": ("test_outbox_guide.py",),
    "docs/guides/your-own-fastapi.md": ("test_shell_examples.py",),
}
"""By page: the integration tests that run what it shows. `test_cli_examples` looks at the command reference."""

NOT_RUN = Counter({"sh": 19, "python": 2, "js": 1})
"""How many examples say `no-run`: what needs another machine, downloads, or is somebody else's code. A new one changes
this number, and is so decided on and not forgotten."""

EXAMPLES = [block for page in pages() for block in blocks(page)]


def test_every_page_that_shows_code_is_run_by_a_test_that_names_it() -> None:
    shown = {block.page for block in EXAMPLES if block.language in CODE and block.runs}
    assert shown - {"docs/reference/cli.md"} == set(RUN_BY)
    for page, tests in RUN_BY.items():
        for test in tests:
            source = (ROOT / "tests" / "integration" / test).read_text("utf-8")
            stem = page.removesuffix(".md").rpartition("/")[2]
            assert stem in source, f"{test} does not look at {page}"


def test_what_is_not_run_is_counted() -> None:
    assert Counter(block.language for block in EXAMPLES if not block.runs) == NOT_RUN


def test_every_block_has_a_language_that_is_known() -> None:
    # Without a language: pictures, exchanges, and Redis' own commands, which `test_security_page` runs.
    assert {block.language for block in EXAMPLES} <= {*CODE, "toml", "json", ""}
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
