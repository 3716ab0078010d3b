"""The evening's script: legal courses, and nobody is told anything before they sit or after they left."""

from __future__ import annotations

import itertools
import random

import pytest

from gateway.demo.scenario import ROUND_COURSE, Happen, Leave, RoundState, Seat, Step, Wait, parties, party
from gateway.protocol.routing import DEFAULT_RULES

SEEDS = range(200)


def _types(steps: list[Step]) -> list[str]:
    return [step.type for step in steps if isinstance(step, Happen)]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_round_follows_the_course_from_pending_to_an_end(seed: int) -> None:
    rounds = [name.removeprefix("ROUND_") for name in _types(list(party(random.Random(seed)))) if "ROUND_" in name]
    assert rounds[0] == RoundState.PENDING
    for before, after in itertools.pairwise(map(RoundState, rounds)):
        assert after in ROUND_COURSE[before] or (not ROUND_COURSE[before] and after is RoundState.PENDING)
    assert not ROUND_COURSE[RoundState(rounds[-1])]


@pytest.mark.parametrize("seed", SEEDS)
def test_diners_are_told_something_only_while_they_are_seated(seed: int) -> None:
    steps = list(party(random.Random(seed)))
    [seated] = [index for index, step in enumerate(steps) if isinstance(step, Seat)]
    [left] = [index for index, step in enumerate(steps) if isinstance(step, Leave)]
    # The one event for sessions that comes after they left goes to an audience with nobody in it.
    for index, step in enumerate(steps):
        if isinstance(step, Happen) and DEFAULT_RULES[step.type].session:
            assert seated < index < left or step.type == "TABLE_STATUS_CHANGED"


def test_over_many_evenings_every_kind_of_event_but_the_rare_ones_happens() -> None:
    seen = {name for seed in SEEDS for name in _types(list(party(random.Random(seed))))}
    never = {"CART_SYNC", "PAYMENT_FAILED", "PRODUCT_AVAILABILITY_CHANGED", "CASCADE_DELETE"}
    never |= {f"ENTITY_{change}" for change in ("CREATED", "UPDATED", "DELETED")}
    assert seen == set(DEFAULT_RULES) - never


def test_the_weights_of_each_state_add_up_to_one() -> None:
    for following in ROUND_COURSE.values():
        assert sum(following.values()) == pytest.approx(1.0) or not following


def test_one_party_follows_another_and_a_seed_repeats_them() -> None:
    first = [list(steps) for steps in itertools.islice(parties(random.Random(7)), 3)]
    again = [list(steps) for steps in itertools.islice(parties(random.Random(7)), 3)]
    assert first == again
    assert len({len(steps) for steps in first}) > 1
    assert all(0 < step.seconds < 1 for steps in first for step in steps if isinstance(step, Wait))
