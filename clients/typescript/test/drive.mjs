// The built client as a process, for tests against a gateway: the options are the first argument, as JSON. What the
// client does goes to standard output, one JSON a line, in the words of the behaviour table. Standard input takes
// {"token": "..."}, the answer to an {"ask": "token"}, and {"do": "close"}.
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { connect } from "../dist/index.js";

const say = (reaction) => process.stdout.write(`${JSON.stringify(reaction)}\n`);
let answer;

const client = connect({
  ...JSON.parse(process.argv[2]),
  WebSocket,
  token: () => {
    say({ ask: "token" });
    return new Promise((resolve) => {
      answer = resolve;
    });
  },
  onState: (state) => say({ state }),
  onStale: (stale) => say({ stale }),
  onThrottled: (throttled) => say({ throttled }),
  onGiveUp: ({ code, attempts }) => say({ giveUp: { code, attempts } }),
});
client.on("*", (event) => say({ event }));

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const { token, ...other } = JSON.parse(line);
  if (token !== undefined) answer(token);
  if (other.do === "close") client.close();
});
// Whoever started this has ended.
input.on("close", () => process.exit());
