"""Every link between documents leads to a file, and to a heading where it names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents import anchors, links, name_of, pages


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        file, _, anchor = target.partition("#")
        found = page if not file else (page.parent / file).resolve()
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_every_document_of_the_documentation_can_be_reached_from_its_index() -> None:
    reached: set[Path] = set()
    docs = next(page.parent for page in pages() if name_of(page) == "docs/README.md")
    waiting = [docs / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in links(page):
            found = (page.parent / target.partition("#")[0]).resolve()
            waiting += sorted(found.glob("*.md")) if found.is_dir() else [found]
    assert {page for page in pages() if docs in page.parents} <= reached
