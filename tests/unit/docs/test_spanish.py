"""The Spanish page says in Spanish what the code says in English, and nothing that it says no more."""

from __future__ import annotations

from scripts.spanish import catalogue, tables
from scripts.spanish.constants import CONSTANTS, spelled, value_of


def test_every_sentence_is_looked_up_and_nearly_all_are_translated() -> None:
    for make in tables.TABLES.values():
        make()
    # A new metric or setting must not fail a build for want of a translator; a page half in English must.
    assert len(catalogue.untranslated()) < len(catalogue.asked) / 4


def test_a_sentence_without_translation_can_be_told_from_a_translated_one() -> None:
    assert catalogue.spanish("Nobody has translated this.") == "*Nobody has translated this.*"
    assert catalogue.spanish("asked for") == "se pidió"


def test_constants_are_read_from_where_they_stand() -> None:
    assert len({place for place, _, _ in CONSTANTS}) == len(CONSTANTS)
    assert value_of("directory.rs:SHARDS") == 64
    assert value_of("gateway.fanout.base.MAX_BROADCASTS") == 5000
    assert value_of("gateway.ingest.relay_base.RelayNumbers.refeed") == 60


def test_numbers_are_spelled_as_in_spanish() -> None:
    assert spelled(5000, "") == "5\N{NO-BREAK SPACE}000"
    assert spelled(1024 * 1024, "B") == "1 MiB"
    assert spelled(0.25, "s") == "0,25 s"
