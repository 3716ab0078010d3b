"""Pages of connections and rooms go through all nodes, and show everything once, wherever each node cuts its answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.endpoints.api.connections import answer_connections, connections_router
from gateway.endpoints.api.keys import ApiKeys
from gateway.endpoints.api.rooms import answer_rooms, rooms_router
from gateway.hub.census import Wanted
from gateway.hub.census_views import ConnectionView, Found, RoomsFound, RoomView
from gateway.hub.node_talk import NodeTalk
from gateway.types import Room
from tests.support.memory_board import MemoryBoard

KEY = "key"


class Census:
    """A node's connections and rooms, of which it gives fewer at a time than it may."""

    def __init__(self, node: str, numbers: list[int], rooms: dict[tuple[int, int], int], cut: int) -> None:
        self.node = node
        self.numbers = numbers
        self.there = rooms
        self.cut = cut

    async def connections(self, wanted: Wanted, after: int, limit: int) -> Found:
        behind = [number for number in self.numbers if number > after]
        given = behind[: min(limit, self.cut)]
        ended_early = len(given) < min(limit, len(behind))
        views = [
            ConnectionView(f"{self.node}-{n}", self.node, 1, "", None, [], [], None, None, None, {}) for n in given
        ]
        return Found(views, given[-1] if ended_early else None)

    def _view(self, number: int) -> ConnectionView:
        return ConnectionView(f"{self.node}-{number}", self.node, 1, "", None, [], [], None, None, None, {})

    async def rooms(self, tenant: int | None, after: Room, limit: int) -> RoomsFound:
        behind = sorted(key for key in self.there if key > after)
        given = behind[: min(limit, self.cut)]
        views = [RoomView(*key, self.there[key], {"a": self.there[key]}, None) for key in given]
        return RoomsFound(views, is_cut=len(given) < min(limit, len(behind)))


numbers = st.lists(st.integers(1, 60), unique=True, max_size=12).map(sorted)
rooms = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 5)), st.integers(1, 9), max_size=10)
nodes = st.lists(st.tuples(numbers, rooms, st.integers(1, 5)), min_size=1, max_size=4)


@settings(max_examples=60)
@given(nodes=nodes, limit=st.integers(1, 7), asked=st.integers(0, 3))
def test_pages_show_everything_once(nodes: list[tuple[Any, Any, int]], limit: int, asked: int) -> None:
    asyncio.run(look(nodes, limit, asked % len(nodes)))


async def look(nodes: list[tuple[Any, Any, int]], limit: int, asked: int) -> None:
    board = MemoryBoard()
    edges = []
    for place, (numbers, rooms, cut) in enumerate(nodes):
        # Names are random, so that their order is none of the order in which nodes came.
        name = f"{(place * 7919 + 4242) % 65_536:08x}"
        talk = NodeTalk(name, board)
        keys = ApiKeys({}, KEY)
        edge: Any = SimpleNamespace(manager=SimpleNamespace(node=name), api=SimpleNamespace(talk=talk, keys=keys))
        census: Any = Census(name, numbers, rooms, cut)
        answer_connections(edge, census)
        answer_rooms(edge, census)
        board.talks.append(talk)
        await board.enter(name)
        edges.append(edge)
    app = FastAPI()
    for router in (connections_router, rooms_router):
        app.include_router(router(lambda: edges[asked]))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://gateway", headers={"Authorization": f"Bearer {KEY}"}
    ) as http:
        seen = await pages(http, "connections", limit)
        names = {edge.manager.node: place for place, edge in enumerate(edges)}
        expected = [f"{name}-{number}" for name, place in sorted(names.items()) for number in nodes[place][0]]
        assert [view["connection"] for view in seen] == expected

        total: dict[tuple[int, int], int] = {}
        for _, here, _ in nodes:
            for key, count in here.items():
                total[key] = total.get(key, 0) + count
        found = await pages(http, "rooms", limit)
        assert [((room["tenant"], room["branch"]), room["connections"]) for room in found] == sorted(total.items())


async def pages(http: httpx.AsyncClient, what: str, limit: int) -> list[Any]:
    seen: list[Any] = []
    query: dict[str, Any] = {"limit": limit, "nodes": "all"}
    for _ in range(200):
        response = await http.get(f"/{what}", params=query)
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page[what]) <= limit
        assert page["silent"] == []
        seen += page[what]
        if page["cursor"] is None:
            return seen
        query["cursor"] = page["cursor"]
    raise AssertionError("the pages do not end")
