"""What the documents say is what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import scripts.docs_tables as docs
from gateway.app import create_app
from gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = docs.PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_what_the_code_generates(page: Path) -> None:
    assert page.read_text("utf-8") == docs.expected(page), "run `make docs`"


def test_every_generated_table_is_shown_once() -> None:
    shown = [name for page in PAGES for name in docs.tables_on(page)]
    assert sorted(shown) == sorted(docs.TABLES)


def test_the_http_page_lists_every_route() -> None:
    text = (docs.REFERENCE / "http.md").read_text("utf-8")
    paths = create_app(Settings.load({})).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    shown = re.findall(r"^\| `((?:GET|POST|DELETE) \S+)`", text, re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert set(shown) == routes | {"GET /openapi.json"}


def test_the_seed_map_names_what_is_there() -> None:
    rows = re.findall(
        r"^\| `(\w+)[^|]*\| `(gateway\.[\w.]+)`", (docs.REFERENCE / "seed-map.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) >= 10
    for name, module in rows:
        found = importlib.import_module(module)
        assert hasattr(found, name) or any(hasattr(value, name) for value in vars(found).values()), (name, module)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_decision_has_its_three_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert pages
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Choice", "What it costs"], page.name
