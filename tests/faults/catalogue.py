"""The faults of this suite by name: what happens in each. The tests, the budget and its page all go by this list."""

from __future__ import annotations

from typing import Final

STEPS: Final = (
    "take_lease",
    "ensure_group",
    "list_pending",
    "read_recent",
    "claim",
    "acknowledge",
    "read",
    "write_rooms",
    "raise_fence",
    "bury",
    "trim",
    "wait",
)
"""The steps of the relay, more or less in the order in which it comes to them."""

FAULTS: Final[dict[str, str]] = {
    "valkey-killed": "Valkey is killed (SIGKILL) and started again; it has an append-only file",
    "valkey-paused": "Valkey is paused (SIGSTOP) for 10 s",
    "link-cut": "the connections of both nodes to Valkey are reset, and refused for 2 s",
    "link-cut-one-node": "the same for one node only",
    "link-delayed": "each piece of data between the nodes and Valkey takes 0.25 s, for 4 s",
    "link-stalled": "nothing passes between the nodes and Valkey for 4 s, and then all of it",
    "link-half-open": "all connections between one node and Valkey are dead, and nobody is told",
    "relay-stopped": "the active relay stops for good before and after each of its 12 steps, one after the other; its "
    "node lives, and a lease lasts 3 s",
    "relay-killed": "the same, and its whole node dies with it (SIGKILL) and is started again",
    "relay-paused": "the node of the active relay is paused (SIGSTOP) for longer than its lease lasts",
    "relay-poisoned": "entries that cannot be parsed, routed or relayed at all, among good ones",
    "history-expired": "the histories of all rooms expire while the link of one node is cut for 2 s",
    "clients-away": "half of the clients are away for 10 s, without a close frame",
    "clients-away-too-long": "half of the clients are away while 306 events come in each room; a node remembers the "
    "last 256, and the history keeps 100",
    "history-expired-clients-away": "the same, and the histories, which keep 1,000, expire meanwhile",
    "node-killed": "a node is killed (SIGKILL), and its clients go to the other",
    "failover-without-tail": "Valkey dies, and a replica takes its place that lacks the last 2 s of writes",
    "failover-clock-back": "the same, and the clock of the replica is behind: ids of lost events are given out again",
    "flooded": "thousands of events of one room at once, critical and best-effort, and clients that stop reading",
    "storm": "60 s of servers, links, nodes and clients that die, hang and come back at random, two at a time",
}
