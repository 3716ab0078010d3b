import assert from "node:assert/strict";
import { afterEach, it, mock } from "node:test";
import { connect } from "../src/index.js";
import { FakeSocket, settle, WELCOME } from "./fake-socket.js";

const platform = new EventTarget();
const page = Object.assign(new EventTarget(), { visibilityState: "visible" });

/** Lets this process look like a page. */
function browser(onLine: boolean): void {
  FakeSocket.all = [];
  define("document", page);
  define("navigator", { onLine });
  define("addEventListener", platform.addEventListener.bind(platform));
  define("removeEventListener", platform.removeEventListener.bind(platform));
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

afterEach(() => {
  for (const name of ["document", "navigator", "addEventListener", "removeEventListener"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  mock.timers.reset();
});

const start = () => connect({ url: "ws://gateway.test", endpoint: "kitchen", token: "t1", WebSocket: FakeSocket });

it("a page that becomes visible asks the connection; one that is hidden does not", async () => {
  browser(true);
  const client = start();
  await settle();
  FakeSocket.last.hear(WELCOME);
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual(FakeSocket.last.sent, []);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual(FakeSocket.last.sent, ["ping"]);
  client.close();
});

it("a page that begins offline connects when the network is there", async () => {
  browser(false);
  const client = start();
  await settle();
  assert.equal(client.state, "waiting");
  assert.equal(FakeSocket.all.length, 0);
  platform.dispatchEvent(new Event("online"));
  mock.timers.tick(1000);
  await settle();
  assert.equal(FakeSocket.all.length, 1);
  client.close();
});

it("a network that goes asks the connection, and a client that is closed listens no more", async () => {
  browser(true);
  const client = start();
  await settle();
  FakeSocket.last.hear(WELCOME);
  platform.dispatchEvent(new Event("offline"));
  assert.deepEqual(FakeSocket.last.sent, ["ping"]);
  client.close();
  platform.dispatchEvent(new Event("online"));
  page.dispatchEvent(new Event("visibilitychange"));
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual(FakeSocket.last.sent, ["ping"]);
  assert.equal(FakeSocket.all.length, 1);
});
