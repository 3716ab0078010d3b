from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.fanout.deadlines import Deadlines
from gateway.types import ConnectionId

IDS = st.integers(1, 5).map(ConnectionId)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), IDS, st.integers(0, 50)),
        st.tuples(st.just("cancel"), IDS, st.just(0)),
        st.tuples(st.just("pass"), IDS, st.integers(0, 10)),
    ),
    max_size=60,
)


@given(STEPS)
def test_behaves_as_a_table_that_is_scanned_would(steps: list[tuple[str, ConnectionId, int]]) -> None:
    deadlines, model, now = Deadlines(), dict[ConnectionId, float](), 0.0
    for what, connection, seconds in steps:
        if what == "set":
            deadlines.set(connection, now + seconds)
            model[connection] = now + seconds
        elif what == "cancel":
            deadlines.cancel(connection)
            model.pop(connection, None)
        else:
            now += seconds
            due = sorted(key for key, when in model.items() if when <= now)
            assert sorted(deadlines.pop_due(now)) == due
            for key in due:
                del model[key]
        assert len(deadlines) == len(model)
        upcoming = deadlines.next()
        if model:
            assert upcoming is not None
            assert upcoming <= min(model.values())


def test_a_renewal_costs_no_heap_entry() -> None:
    deadlines = Deadlines()
    for n in range(1_000):
        deadlines.set(ConnectionId(1), 60.0 + n)
    assert len(deadlines._heap) == 1


def test_connections_that_left_do_not_pile_up() -> None:
    deadlines = Deadlines()
    deadlines.set(ConnectionId(1), 5.0)
    for n in range(2, 10_000):
        deadlines.set(ConnectionId(n), 86_400.0)
        deadlines.cancel(ConnectionId(n))
    assert len(deadlines._heap) < 100
    assert deadlines.pop_due(5.0) == [ConnectionId(1)]
