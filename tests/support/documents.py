"""The project's Markdown, taken apart: tables, headings, links and fenced code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = ("node_modules", "target", ".venv", ".venvs", "build", "dist", ".pytest_cache")
_FENCE = re.compile(r"^(`{3,})(.*)\n((?:.*\n)*?)\1$", re.MULTILINE)
_GENERATED = re.compile(r"<!-- table: [\w-]+ -->\n.*?<!-- end -->", re.DOTALL)
_SEPARATOR = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_CELL = re.compile(r"(?<!\\)\|")


def pages() -> list[Path]:
    """Every document, in order."""
    found = (path for path in ROOT.rglob("*.md") if not {*path.relative_to(ROOT).parts} & {*_LEFT_OUT})
    return sorted(found)


def name_of(page: Path) -> str:
    """How a page is called in tests: its path in the project."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of code.

    Attributes:
        page: the name of its page.
        info: what stands behind the fence: a language, and `no-run` where it is not to be run.
        code: its lines.
    """

    page: str
    info: str
    code: str

    @property
    def language(self) -> str:
        """`sh`, `python`, …; empty where it is no code."""
        return self.info.partition(" ")[0]

    @property
    def runs(self) -> bool:
        """Whether a test is to run it."""
        return "no-run" not in self.info.split()


def blocks(page: Path) -> list[Block]:
    """A page's fenced blocks, in order."""
    return [Block(name_of(page), match[2].strip(), match[3]) for match in _FENCE.finditer(page.read_text("utf-8"))]


def prose(page: Path) -> str:
    """A page without its fenced code."""
    return _FENCE.sub("", page.read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        page: the name of its page.
        header: its first row.
        rows: the others, cell by cell, without the blanks around them.
    """

    page: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def handwritten_tables(page: Path) -> list[Table]:
    """The tables of a page that do not stand between the markers of a generated one."""
    lines = _GENERATED.sub("", prose(page)).splitlines()
    found = []
    for number, line in enumerate(lines):
        if _SEPARATOR.fullmatch(line.strip()) is None or not number:
            continue
        rows = []
        for row in lines[number + 1 :]:
            if not row.startswith("|"):
                break
            rows.append(_cells(row))
        found.append(Table(name_of(page), _cells(lines[number - 1]), tuple(rows)))
    return found


def _cells(row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in _CELL.split(row.strip())[1:-1])


def links(page: Path) -> list[str]:
    """The targets of a page's links, but for those into the web."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What may stand behind `#` in a link to this page, as GitHub makes it from headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*#*$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found
