from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.endpoints.client_address import ClientAddresses

NEAR, FAR = "10.0.0.1", "10.9.9.9"
addresses = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"), ip_network("127.0.0.0/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        # Nobody in front: what a client says of itself is not believed.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        # One proxy, two, three; the client's own forgery stands further left.
        (NEAR, ["203.0.113.9"], "203.0.113.9"),
        (NEAR, [f"203.0.113.9, {FAR}"], "203.0.113.9"),
        (NEAR, ["203.0.113.9", FAR, FAR], "203.0.113.9"),
        (NEAR, ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (NEAR, ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # Who spoofs trusted addresses on the left gains nothing.
        (NEAR, [f"{FAR}, 203.0.113.9, {FAR}"], "203.0.113.9"),
        # Only proxies: the outermost is the client.
        (NEAR, [], NEAR),
        (NEAR, [FAR], FAR),
        # What is no address ends the reading.
        (NEAR, ["unknown"], NEAR),
        (NEAR, ["203.0.113.9, _hidden"], NEAR),
        (NEAR, [""], NEAR),
        (NEAR, [f"203.0.113.9, ,{FAR}"], FAR),
        # Ports, brackets, and one address in two spellings.
        (NEAR, ["203.0.113.9:51234"], "203.0.113.9"),
        (NEAR, ["[2001:db8:1:2::5]:443"], "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        # Two addresses of one household are one.
        ("2001:db8:1:2::5", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", [], "2001:db8:1:2::/64"),
        ("2001:db8:ffff::1", ["2001:db8:7::1"], "2001:db8:7::/64"),
        # This machine is not limited.
        ("127.0.0.1", [], None),
        ("::1", [], None),
        (None, ["203.0.113.9"], None),
        ("testclient", [], None),
    ],
)
def test_the_client_is_found_behind_those_who_are_trusted(peer: str | None, forwarded: list[str], found: str) -> None:
    assert addresses.of(peer, forwarded) == found


def test_without_trusted_proxies_nothing_is_believed() -> None:
    assert ClientAddresses([]).of("10.0.0.1", ["203.0.113.9"]) == "10.0.0.1"
    assert ClientAddresses([]).of("127.0.0.1", ["203.0.113.9"]) is None
