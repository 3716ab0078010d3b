from __future__ import annotations

import json

import pytest

from benches.load.event import MIN_BYTES, EventFormat


@pytest.mark.parametrize("size", [MIN_BYTES, 256, 65_535])
def test_an_event_is_json_of_the_size_asked_for(size: int) -> None:
    text = EventFormat(size).write(42)
    assert len(text.encode()) == size
    assert int(json.loads(text)["seq"]) == 42


@pytest.mark.parametrize("size", [MIN_BYTES - 1, 65_536])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        EventFormat(size)
