from __future__ import annotations

from uvicorn.server import ServerState

from gateway.server.keeper import ConnectionKeeper


def test_it_stands_among_the_connections_from_the_first_to_the_last() -> None:
    server = ServerState()
    keeper = ConnectionKeeper(lambda: None)
    keeper.keep(server)
    keeper.keep(server)
    assert server.connections == {keeper}
    keeper.empty()
    assert server.connections == set()
    keeper.empty()
    keeper.keep(server)
    assert server.connections == {keeper}


def test_each_server_has_it_while_it_has_connections() -> None:
    one, other = ServerState(), ServerState()
    keeper = ConnectionKeeper(lambda: None)
    keeper.keep(one)
    keeper.keep(other)
    assert keeper in one.connections
    assert keeper in other.connections
    keeper.empty()
    assert not one.connections | other.connections


def test_a_shutdown_is_passed_on_and_it_stays_until_the_last_is_gone() -> None:
    calls: list[str] = []
    server = ServerState()
    keeper = ConnectionKeeper(lambda: calls.append("close all"))
    keeper.keep(server)
    assert calls == []
    for connection in list(server.connections):
        connection.shutdown()
    assert calls == ["close all"]
    assert server.connections == {keeper}
    keeper.empty()
    assert server.connections == set()


def test_a_connection_that_comes_after_the_shutdown_is_told_of_it() -> None:
    calls: list[str] = []
    keeper = ConnectionKeeper(lambda: calls.append("close all"))
    keeper.shutdown()
    keeper.keep(ServerState())
    assert calls == ["close all", "close all"]


def test_when_nobody_is_left_at_the_shutdown_the_server_need_not_wait() -> None:
    server = ServerState()

    def close_all() -> None:
        keeper.empty()

    keeper = ConnectionKeeper(close_all)
    keeper.keep(server)
    keeper.shutdown()
    assert server.connections == set()
