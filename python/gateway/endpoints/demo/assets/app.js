// The page: six clients of one gateway, side by side.

import { flood, history, plain, restaurant, seat, token } from "./api.js";
import { dishes } from "./course.js";
import { Evening } from "./evening.js";
import { floor, serve } from "./floor.js";
import { board } from "./kitchen.js";
import { overview } from "./manager.js";
import { Pane, perform } from "./pane.js";
import { Phone } from "./phone.js";
import { Robots } from "./robots.js";
import { themeButton } from "./theme.js";
import { Viewer } from "./viewer.js";

const FLOOD_EVENTS = 3000;
const RELAYED_WITHIN = 15_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const find = (id) => document.getElementById(id);

function announce(words) {
  find("announcer").textContent = words;
}

function failed({ message }) {
  announce(message);
}

/** The back end's clock, as far as a request can tell. */
function clockOf(now) {
  const ahead = now - Date.now();
  return { now: () => Date.now() + ahead };
}

/**
 * The evening as it stands, with a party at each table that has a phone. Before anybody connects: a client that is there
 * before the first event of all has no position yet, and could not resume.
 */
async function firstParties(phones, tables, path) {
  const evening = new Evening(tables);
  const key = await token(plain, { who: "manager" });
  const asked = new Set();
  for (const until = performance.now() + RELAYED_WITHIN; performance.now() < until; await sleep(50)) {
    evening.add(...(await history(plain, path, key)));
    const free = phones.filter((number) => evening.tables.get(number).isFree);
    if (free.length === 0) return evening;
    for (const number of free.filter((number) => !asked.has(number))) {
      asked.add(number);
      await seat(number);
    }
  }
  throw new Error("critical events do not get through; the gateway's log says why");
}

async function open() {
  themeButton(find("theme"));
  const place = await restaurant();
  for (const dish of place.menu) dishes.set(dish.id, dish);
  const clock = clockOf(place.now);
  const tables = place.tables.map(({ number }) => number);
  const branch = `ws/catchup?branch_id=${place.branch}`;
  const parties = await firstParties(place.phones, tables, branch);
  const sector = (id) => place.sectors.find((sector) => sector.id === id);

  const show = (pane) => {
    find("room").append(pane.element);
    find("clients").append(pane.entry);
    return pane;
  };
  const staff = (who, about, kind, view, act) => {
    const { id, name, endpoint } = place.staff.find((employee) => employee.id === who);
    const pane = show(new Pane({ id, name, about: `${about} · /ws/${endpoint}`, kind, view, act, announce }));
    const viewer = new Viewer({ endpoint, whom: { who }, catchUp: branch, tables, clock });
    pane.attach(viewer);
    viewer.connect();
    return pane;
  };

  const waiters = ["ana", "bruno"].map((who) => {
    const [own] = place.staff.find(({ id }) => id === who).sectors;
    const mine = place.tables.filter(({ sector }) => sector === own);
    const pane = staff(who, `Waiter, ${sector(own).name}`, "floor", floor(mine), serve);
    return { viewer: pane.viewer, tables: mine };
  });
  const phones = new Map(
    place.phones.map((number) => {
      const phone = new Phone(number, () => seat(number).catch(failed));
      const where = sector(place.tables.find((table) => table.number === number).sector).name;
      const about = `Diner, ${where} · /ws/diner`;
      const pane = show(
        new Pane({
          id: `t${number}`,
          name: `Table ${number}`,
          about,
          kind: "phone",
          view: phone.view,
          act: phone.act,
          announce,
        }),
      );
      return [number, { phone, pane, act: phone.act, viewer: undefined }];
    }),
  );
  const kitchen = staff("kitchen", "Board", "kitchen", board, perform).viewer;
  const manager = staff("manager", "Manager", "manager", overview, perform).viewer;

  /** The phone of a new party: another session, so another token, and another connection. */
  const sit = (number, session) => {
    const phone = phones.get(number);
    if (phone.viewer?.session >= session) return;
    phone.viewer?.close();
    phone.phone.reset();
    const viewer = new Viewer({
      endpoint: "diner",
      whom: { table: number, session },
      catchUp: `ws/catchup/session?session_id=${session}`,
      tables,
      clock,
    });
    viewer.session = session;
    phone.viewer = viewer;
    phone.pane.attach(viewer);
    viewer.connect();
  };
  for (const number of phones.keys()) sit(number, parties.tables.get(number).session);
  // The guests scan what the staff puts on their table; whoever of the staff hears of the party first.
  const follow = ({ evening }) => {
    for (const number of phones.keys()) {
      const { session } = evening.tables.get(number);
      if (session > 0) sit(number, session);
    }
  };
  for (const viewer of [manager, ...waiters.map(({ viewer }) => viewer)]) {
    viewer.addEventListener("change", () => follow(viewer));
  }
  controls(new Robots({ waiters, kitchen, phones, clock }));
}

function controls(robots) {
  const play = find("play");
  const press = () => {
    if (robots.playing) robots.stop();
    else robots.start();
    play.setAttribute("aria-pressed", String(robots.playing));
    play.firstElementChild.textContent = robots.playing ? "Pause" : "Play";
  };
  play.addEventListener("click", press);
  if (location.hash === "#play") press();
  find("flood").addEventListener("click", async ({ currentTarget }) => {
    // It stays focusable while it waits.
    if (currentTarget.getAttribute("aria-disabled") === "true") return;
    currentTarget.setAttribute("aria-disabled", "true");
    await flood(FLOOD_EVENTS).catch(failed);
    find("flood").removeAttribute("aria-disabled");
  });
}

open().catch((error) => {
  const words = document.createElement("p");
  words.className = "failure";
  words.textContent = `The demo could not be opened: ${error.message}`;
  find("room").replaceChildren(words);
});
