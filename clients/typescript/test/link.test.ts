// The adapter on a real WebSocket, that of the package `ws`: what a platform's own does is tested in browsers.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, it } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { openLink } from "../src/link.js";

let server: WebSocketServer;

beforeEach(async () => {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "bearer" });
  await new Promise((resolve) => server.on("listening", resolve));
});

afterEach(() => {
  for (const peer of server.clients) peer.terminate();
  server.close();
});

/** Begins a link; what its owner hears is the promise's, in order. */
function open(token: string) {
  const heard: unknown[] = [];
  let tell = () => {};
  const hear = (what: unknown) => {
    heard.push(what);
    tell();
  };
  const owner = { message: hear, closed: hear };
  const { port } = server.address() as AddressInfo;
  const link = openLink(WebSocket, `ws://127.0.0.1:${port}/ws/kitchen?resume=x`, token, owner);
  const hears = async (count: number) => {
    while (heard.length < count) await new Promise<void>((resolve) => (tell = resolve));
    return heard;
  };
  return { link, hears };
}

const accepted = () =>
  new Promise<{ peer: WebSocket; url: string | undefined; offered: string | undefined }>((resolve) =>
    server.once("connection", (peer, request) =>
      resolve({ peer, url: request.url, offered: request.headers["sec-websocket-protocol"] }),
    ),
  );

it("the token goes as a subprotocol, messages go both ways, and a close code arrives", async () => {
  const arriving = accepted();
  const { link, hears } = open("t.o.k");
  const { peer, url, offered } = await arriving;
  assert.equal(url, "/ws/kitchen?resume=x");
  assert.equal(offered, "bearer,t.o.k");
  peer.send("hello");
  assert.deepEqual(await hears(1), ["hello"]);
  const said = new Promise((resolve) => peer.once("message", (data) => resolve(String(data))));
  link.send("ping");
  assert.equal(await said, "ping");
  peer.close(4003);
  assert.deepEqual(await hears(2), ["hello", 4003]);
  link.send("too late");
});

it("the client's own close is a normal one, and nothing is heard of it", async () => {
  const arriving = accepted();
  const { link, hears } = open("t");
  const { peer } = await arriving;
  peer.send("hello");
  await hears(1);
  const closed = new Promise((resolve) => peer.once("close", resolve));
  link.close();
  assert.equal(await closed, 1000);
  assert.deepEqual(await hears(1), ["hello"]);
});

it("a connection that is cut, or refused, or never came about is 1006", async () => {
  const arriving = accepted();
  const { hears } = open("t");
  (await arriving).peer.terminate();
  assert.deepEqual(await hears(1), [1006]);
  server.options.verifyClient = (_info: unknown, answer: (ok: boolean, status: number) => void) => answer(false, 503);
  assert.deepEqual(await open("t").hears(1), [1006]);
});

it("dropping before the handshake is done does no harm", async () => {
  const { link } = open("t");
  link.send("too early");
  link.drop();
});
