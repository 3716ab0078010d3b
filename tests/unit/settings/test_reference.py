from __future__ import annotations

from pathlib import Path

from gateway.settings import Settings, settings_table

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_holds_the_table() -> None:
    assert settings_table() in PAGE.read_text(), "run `python scripts/docs_tables.py` (or paste settings_table())"


def test_every_setting_has_a_row_with_a_meaning() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [f"GATEWAY_{name.upper()}" for name in Settings.model_fields]
    assert all(len(row.replace("\\|", "").strip("| ").split(" | ")) == 4 for row in rows)
    assert all(len(row.rsplit(" | ", 1)[1]) > 15 for row in rows)


def test_what_is_not_used_yet_says_so() -> None:
    later = {row.split("`")[1] for row in settings_table().splitlines() if "not used in this version" in row}
    assert later == set()
