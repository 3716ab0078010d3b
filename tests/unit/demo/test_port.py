"""Whether a port is taken."""

from __future__ import annotations

import socket

from gateway.demo.port import HOST, free_port, is_free


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def test_lingering_connections_do_not_make_a_port_taken() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection((HOST, port)), listener.accept()[0] as accepted:
            # The side that closes first is the one that lingers in TIME_WAIT.
            accepted.shutdown(socket.SHUT_RDWR)
    assert is_free(port)
