// What the types promise is checked by the compiler; the test runs so that there is no dead file.
import { it } from "node:test";
import { WebSocket } from "ws";
import { FanoutClient as Client, type FanoutClient, type FanoutEvent } from "../src/index.js";

interface Events {
  ROUND_READY: FanoutEvent & { type: "ROUND_READY"; round: number };
  CHECK_PAID: FanoutEvent & { type: "CHECK_PAID"; amount: string };
}

it("an event map gives each handler its type", () => {
  const use = (client: FanoutClient<Events>) => {
    client.on("ROUND_READY", (event) => event.round.toFixed());
    client.on("*", (event) => (event.type === "CHECK_PAID" ? event.amount.trim() : event.round.toFixed()));
    // @ts-expect-error - no such type in the map
    client.on("ROUND_REDY", () => {});
    // @ts-expect-error - a round has no amount
    client.on("ROUND_READY", (event) => event.amount);
  };
  // @ts-expect-error - an event has a type
  type Wrong = FanoutClient<{ ROUND_READY: { round: number } }>;
  const without = (client: FanoutClient) => client.on("ANYTHING", (event) => event.whatever);
  void use;
  void without;
  void ({} as Wrong);
  new Client({ url: "ws://gateway.test", endpoint: "diner", token: () => "t", WebSocket });
});
