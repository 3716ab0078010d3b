"""The Autobahn cases against the native read side: every one but compression, which is never negotiated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kosoku import FailureError, run_fuzzingclient

from tests.conformance.echo import run_echo

# Chapters of the suite, and how many cases each has. 12 and 13 are permessage-deflate.
CHAPTERS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}

NOT_STRICT: dict[str, str] = {}
"""Cases whose verdict is NON-STRICT, which is conformant, with the reason; see docs/concepts/conformance.md."""

CLEAN = {"OK", "INFORMATIONAL"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with run_echo() as port:
        yield port


@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_no_case_fails_and_every_one_that_is_not_strict_is_explained(chapter: int, port: int) -> None:
    try:
        results = await run_fuzzingclient(f"127.0.0.1:{port}", [f"{chapter}.*"], concurrency=4)
    except FailureError as failure:
        results = failure.results
    verdicts = {result.case_id: {result.behavior.value, result.behavior_close.value} for result in results}
    failed = {case: sorted(verdict) for case, verdict in verdicts.items() if verdict - CLEAN - {"NON-STRICT"}}
    assert failed == {}
    assert len(verdicts) == CHAPTERS[chapter], "all cases of the chapter were run"
    not_strict = {case for case, verdict in verdicts.items() if "NON-STRICT" in verdict}
    assert not_strict == {case for case in NOT_STRICT if case.startswith(f"{chapter}.")}
