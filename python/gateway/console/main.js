// The console: what each part hears, and from whom.

import { Connections } from "./connections.js";
import { byId, say } from "./dom.js";
import { forgetKey, storedKey } from "./key.js";
import { Letters } from "./letters.js";
import { Link } from "./link.js";
import { Nodes } from "./nodes.js";
import { Overview } from "./overview.js";
import { Rooms } from "./rooms.js";
import { learnScopes } from "./scopes.js";
import { Send } from "./send.js";
import { showSlow } from "./slow.js";
import { Tail } from "./tail.js";
import { keepTheme } from "./theme.js";
import { TokenMaker } from "./token.js";

keepTheme();

const link = new Link();
const overview = new Overview();
const tail = new Tail(link);
const letters = new Letters();
const lists = [letters, new Rooms(tail), new Connections(), new Nodes()];
const tokens = new TokenMaker();
const send = new Send();

link.addEventListener("welcome", ({ detail }) => {
  learnScopes(detail.scopes);
  tokens.enabled = detail.tokens;
  send.enabled = detail.scopes.includes("publish");
  for (const list of lists) list.enabled = true;
});

link.addEventListener("status", ({ detail }) => {
  overview.show(detail.status);
  letters.show(detail.status);
});

link.addEventListener("slow", ({ detail }) => showSlow(detail.clients));

link.addEventListener("state", ({ detail: { state, why } }) => {
  const light = byId("link");
  light.dataset.state = state === "closed" ? "lost" : state;
  say(light.firstElementChild, { live: "Live", connecting: "Connecting…", lost: "Not connected", closed: "Closed" }[state]);
  const banner = byId("banner");
  banner.hidden = state === "live" || state === "connecting";
  if (!banner.hidden) say(banner, why);
  byId("sign-out").hidden = storedKey() === null;
  if (state !== "live") for (const list of lists) list.enabled = false;
});

byId("sign-out").addEventListener("click", () => {
  forgetKey();
  location.reload();
});

link.open();
