import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { type ClientOptions, connect, FanoutClient, type State, webStorage } from "../src/index.js";
import { FakeSocket, settle, WELCOME } from "./fake-socket.js";

const OPTIONS: ClientOptions = { url: "ws://gateway.test", endpoint: "kitchen", token: "t1", WebSocket: FakeSocket };
const READY = { type: "ROUND_READY", tenant_id: 1, branch_id: 5 };
const SERVED = { type: "ROUND_SERVED", tenant_id: 1, branch_id: 5 };

beforeEach(() => {
  FakeSocket.all = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

afterEach(() => mock.timers.reset());

async function welcomed(options: Partial<ClientOptions> = {}): Promise<FanoutClient> {
  const client = connect({ ...OPTIONS, ...options });
  await settle();
  FakeSocket.last.hear(WELCOME);
  return client;
}

describe("handlers", () => {
  it("hear their type, and all of them for *, in the order in which they came", async () => {
    const client = await welcomed();
    const heard: string[] = [];
    client.on("*", (event) => heard.push(`* ${event.type}`));
    client.on("ROUND_READY", (event) => heard.push(`ready ${event.branch_id}`));
    FakeSocket.last.hear(READY);
    FakeSocket.last.hear(SERVED);
    assert.deepEqual(heard, ["* ROUND_READY", "ready 5", "* ROUND_SERVED"]);
  });

  it("are taken away cleanly, also while an event is on its way to them, and twice does no harm", async () => {
    const client = await welcomed();
    const heard: string[] = [];
    client.on("*", () => removeSecond());
    const removeSecond = client.on("*", () => heard.push("second"));
    const removeThird = client.on("ROUND_READY", () => heard.push("third"));
    FakeSocket.last.hear(READY);
    removeThird();
    removeThird();
    FakeSocket.last.hear(READY);
    assert.deepEqual(heard, ["third"]);
  });

  it("may be the same function twice, each with its own end", async () => {
    const client = await welcomed();
    let calls = 0;
    const count = () => void calls++;
    const remove = client.on("*", count);
    client.on("*", count);
    remove();
    FakeSocket.last.hear(READY);
    assert.equal(calls, 1);
  });

  it("that are added by a handler hear the next event first", async () => {
    const client = await welcomed();
    const heard: string[] = [];
    client.on("ROUND_READY", () => client.on("*", (event) => heard.push(event.type)));
    FakeSocket.last.hear(READY);
    FakeSocket.last.hear(SERVED);
    assert.deepEqual(heard, ["ROUND_SERVED"]);
  });

  it("that throw disturb nobody else, and the position moves on", async () => {
    const errors: unknown[] = [];
    const client = await welcomed({ onError: (error) => errors.push(error) });
    const heard: string[] = [];
    client.on("*", () => {
      throw new Error("oops");
    });
    client.on("*", (event) => heard.push(event.type));
    FakeSocket.last.hear({ ...READY, event_id: "2-0", position: "2-0/bbbbbbbb" });
    assert.deepEqual(heard, ["ROUND_READY"]);
    assert.deepEqual(client.positions, { 5: "2-0/bbbbbbbb" });
    assert.deepEqual(errors.map(String), ["Error: oops"]);
  });

  it("outlive a close and a new connect", async () => {
    const client = await welcomed();
    const heard: string[] = [];
    client.on("*", (event) => heard.push(event.type));
    client.close();
    assert.equal(FakeSocket.last.closedWith, 1000);
    assert.equal(FakeSocket.last.onclose, null, "what is closed is not listened to");
    FakeSocket.last.hear(READY);
    client.connect();
    await settle();
    FakeSocket.last.hear(WELCOME);
    FakeSocket.last.hear(SERVED);
    assert.deepEqual(heard, ["ROUND_SERVED"]);
  });
});

describe("callbacks", () => {
  it("say where the client stands, what is stale, what was dropped and that it gave up", async () => {
    const said: unknown[] = [];
    await welcomed({
      onState: (state) => said.push(state),
      onStale: (branches) => said.push(branches),
      onThrottled: (dropped) => said.push(dropped),
      onGiveUp: (why) => said.push(why),
    });
    FakeSocket.last.hear({ type: "gap", branch: 5, critical: true });
    FakeSocket.last.hear({ type: "gap", dropped: 3 });
    FakeSocket.last.end(4003);
    assert.deepEqual(said, ["connecting", "open", [5], 3, "closed", { code: 4003, attempts: 0 }]);
  });

  it("that throw, or reject, disturb nobody", async () => {
    const errors: unknown[] = [];
    const client = await welcomed({
      onError: (error) => errors.push(error),
      onState: () => {
        throw new Error("state");
      },
      onStale: async () => {
        throw new Error("stale");
      },
    });
    FakeSocket.last.hear({ type: "gap", branch: 5, critical: true });
    await settle();
    assert.equal(client.state, "open");
    assert.deepEqual(errors.map(String), ["Error: state", "Error: state", "Error: stale"]);
  });

  it("may close the client at any moment: nothing is left behind", async () => {
    for (const when of ["connecting", "open", "waiting"] satisfies State[]) {
      FakeSocket.all = [];
      let asked = 0;
      const client = new FanoutClient({
        ...OPTIONS,
        token: () => `t${asked++}`,
        onState: (state) => {
          if (state === when) client.close();
        },
      });
      client.connect();
      await settle();
      FakeSocket.all.at(-1)?.hear(WELCOME);
      FakeSocket.all.at(-1)?.end(1001);
      mock.timers.tick(3_600_000);
      await settle();
      assert.equal(client.state, "closed", when);
      assert.equal(FakeSocket.all.length, when === "connecting" ? 0 : 1, when);
      assert.equal(asked, FakeSocket.all.length, when);
    }
  });

  it("may begin anew when the client has given up", async () => {
    const client = new FanoutClient({ ...OPTIONS, onGiveUp: () => client.connect() });
    client.connect();
    await settle();
    FakeSocket.last.end(4029);
    await settle();
    assert.equal(FakeSocket.all.length, 2);
    assert.equal(client.state, "connecting");
  });
});

describe("the token provider", () => {
  it("may be asynchronous; the token is no part of the URL", async () => {
    await welcomed({ token: async () => "t.o.k" });
    assert.equal(FakeSocket.last.url, "ws://gateway.test/ws/kitchen");
    assert.deepEqual(FakeSocket.last.protocols, ["bearer", "t.o.k"]);
  });

  it("that fails is reported, and asked again", async () => {
    const errors: unknown[] = [];
    let calls = 0;
    const token = () => {
      if (calls++ === 0) throw new Error("logged out");
      return "t2";
    };
    connect({ ...OPTIONS, token, onError: (error) => errors.push(error) });
    await settle();
    assert.deepEqual(errors.map(String), ["Error: logged out"]);
    mock.timers.tick(1000);
    await settle();
    assert.deepEqual(FakeSocket.last.protocols, ["bearer", "t2"]);
  });
});

describe("the storage", () => {
  it("may be asynchronous; the first connection waits for it and resumes", async () => {
    const saved: unknown[] = [];
    const storage = {
      load: async () => ({ 5: "1-0/aaaaaaaa" }),
      save: async (positions: unknown) => void saved.push(positions),
    };
    connect({ ...OPTIONS, storage });
    await settle();
    assert.equal(FakeSocket.last.url, "ws://gateway.test/ws/kitchen?resume=5%3A1-0%2Faaaaaaaa");
    FakeSocket.last.hear({ ...WELCOME, positions: { 5: "1-0/aaaaaaaa" }, resumed: { 5: true } });
    FakeSocket.last.hear({ ...READY, event_id: "2-0", position: "2-0/bbbbbbbb" });
    assert.deepEqual(saved, [{ 5: "2-0/bbbbbbbb" }]);
  });

  it("that cannot be read or written is reported, and done without", async () => {
    const errors: unknown[] = [];
    const storage = {
      load: () => JSON.parse("{"),
      save: () => {
        throw new Error("full");
      },
    };
    connect({ ...OPTIONS, storage, onError: (error) => errors.push(error) });
    await settle();
    FakeSocket.last.hear({ ...WELCOME, positions: { 5: "1-0/aaaaaaaa" } });
    assert.match(String(errors[0]), /SyntaxError/);
    assert.equal(String(errors[1]), "Error: full");
  });

  it("is not waited for after a close", async () => {
    const client = connect({ ...OPTIONS, storage: { load: async () => null, save() {} } });
    client.close();
    await settle();
    assert.equal(FakeSocket.all.length, 0);
  });

  it("of the browser keeps positions under its key", () => {
    const items = new Map<string, string>();
    const storage = webStorage(
      { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) },
      "kitchen:12",
    );
    assert.equal(storage.load(), null);
    storage.save({ 5: "1-0/aaaaaaaa" });
    assert.deepEqual(storage.load(), { 5: "1-0/aaaaaaaa" });
    assert.deepEqual([...items.keys()], ["kitchen:12"]);
  });
});

describe("options that cannot be used are refused at once", () => {
  const refused: [Partial<ClientOptions>, RegExp][] = [
    [{ url: "http://gateway.test" }, /not the URL of a gateway/],
    [{ url: "wss://" }, /not the URL of a gateway/],
    [{ url: "wss://gateway.test?token=secret" }, /^TypeError: a gateway's URL has no query(?!.*secret)/],
    [{ endpoint: "bar" as "kitchen" }, /no endpoint bar; expected one of waiter, kitchen, admin, diner/],
    [{ token: "has a space" }, /no token \(it is not shown\)(?!.*has a space)/],
  ];
  for (const [options, says] of refused) {
    it(String(says), () => {
      assert.throws(() => new FanoutClient({ ...OPTIONS, ...options }), says);
    });
  }

  it("and a platform without a WebSocket says what to do", () => {
    const { WebSocket } = globalThis;
    Reflect.deleteProperty(globalThis, "WebSocket");
    try {
      const { WebSocket: _none, ...options } = OPTIONS;
      assert.throws(() => new FanoutClient(options), /package `ws` as option/);
    } finally {
      if (WebSocket !== undefined) globalThis.WebSocket = WebSocket;
    }
  });
});

it("a gateway may be mounted under a prefix", async () => {
  await welcomed({ url: "wss://gateway.test/events/" });
  assert.equal(FakeSocket.last.url, "wss://gateway.test/events/ws/kitchen");
});

it("a platform that refuses to connect at all costs an attempt, and is said when the client gives up", async () => {
  class Forbidden extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      throw new Error("Content Security Policy");
    }
  }
  const said: unknown[] = [];
  connect({ ...OPTIONS, WebSocket: Forbidden, timing: { attempts: 0 }, onGiveUp: ({ cause }) => said.push(cause) });
  await settle();
  assert.deepEqual(said.map(String), ["Error: Content Security Policy"]);
});
