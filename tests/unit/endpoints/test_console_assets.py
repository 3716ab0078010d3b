"""The page's files: complete, of this origin alone, and without a script or a style inside the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.requests import Request

from gateway.endpoints.console.assets import HEADERS, PAGE, assets
from gateway.endpoints.console.desk import MAX_SOCKETS
from gateway.endpoints.console.socket import SEND_SECONDS
from gateway.endpoints.console.tail import LOOKED_AT_PER_SECOND, READ_PER_SECOND, SHOWN_PER_SECOND

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "console.md"
SCRIPTS = sorted(name for name in assets() if name.endswith(".js"))
STYLES = sorted(name for name in assets() if name.endswith(".css"))


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(assets()[PAGE].body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def having(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


PAGES = Page()


def test_everything_that_the_page_and_its_modules_name_is_there() -> None:
    named = [*PAGES.having("src"), *(link for link in PAGES.having("href") if not link.startswith("#"))]
    for script in SCRIPTS:
        named += [found.removeprefix("./") for found in re.findall(r'from "([^"]+)"', text(script))]
    assert set(named) <= set(assets())
    assert set(SCRIPTS) <= {*named}, "a module that nobody imports"
    assert set(STYLES) <= {*named}


def test_nothing_in_the_page_needs_more_than_its_policy_gives() -> None:
    for tag, attributes in PAGES.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "style"
        assert tag != "script" or attributes.get("src")


@pytest.mark.parametrize("name", [PAGE, *SCRIPTS, *STYLES])
def test_no_file_names_another_host(name: str) -> None:
    foreign = [url for url in re.findall(r"\b(?:https?|wss?)://[^\"'\s)]*", text(name)) if "www.w3.org" not in url]
    assert foreign == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_module_makes_html_or_code_out_of_text(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(\s*[\"']"
    assert re.findall(forbidden, text(name)) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_modules_are_small_and_say_what_they_are(name: str) -> None:
    lines = text(name).splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) < 260


def test_ids_that_the_modules_ask_for_are_in_the_page() -> None:
    ids = PAGES.having("id")
    assert len(ids) == len(set(ids))
    for script in SCRIPTS:
        assert set(re.findall(r'byId\("([^"]+)"\)', text(script))) <= set(ids)


def test_every_control_has_a_name_and_every_region_its_title() -> None:
    ids = set(PAGES.having("id"))
    for reference in (*PAGES.having("aria-labelledby"), *PAGES.having("for"), *PAGES.having("list")):
        assert reference in ids or reference.startswith("chart-")


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}


def test_a_browser_that_has_a_file_is_told_so() -> None:
    asset = assets()[PAGE]
    headers = [(b"if-none-match", asset.etag.encode())]
    fresh = asset.answer(Request({"type": "http", "headers": []}))
    known = asset.answer(Request({"type": "http", "headers": headers}))
    assert (fresh.status_code, fresh.body, fresh.media_type) == (200, asset.body, "text/html; charset=utf-8")
    assert (known.status_code, known.body) == (304, b"")
    assert known.headers["content-security-policy"] == fresh.headers["content-security-policy"]


def test_the_guide_says_the_bounds_that_hold() -> None:
    guide = " ".join(GUIDE.read_text("utf-8").split())
    assert f"at most {SHOWN_PER_SECOND} a second are shown" in guide
    assert f"at most {LOOKED_AT_PER_SECOND:,} a second are compared" in guide
    assert f"at most {READ_PER_SECOND:,} a second are read" in guide
    assert f"At most {MAX_SOCKETS} pages" in guide
    assert f"4029 ({MAX_SOCKETS} pages are open)" in guide
    assert SEND_SECONDS == 10, "after ten seconds, it says"


def text(name: str) -> str:
    return assets()[name].body.decode()
