// The page: six clients of one gateway, side by side.

import { flood, restaurant, seat } from "./api.js";
import { dishes } from "./course.js";
import { floor, serve } from "./floor.js";
import { board } from "./kitchen.js";
import { overview } from "./manager.js";
import { Pane, perform } from "./pane.js";
import { Phone } from "./phone.js";
import { Robots } from "./robots.js";
import { themeButton } from "./theme.js";
import { Viewer } from "./viewer.js";

const FLOOD_EVENTS = 3000;

const find = (id) => document.getElementById(id);

function announce(words) {
  find("announcer").textContent = words;
}

/** The back end's clock, as far as a request can tell. */
function clockOf(now) {
  const ahead = now - Date.now();
  return { now: () => Date.now() + ahead };
}

async function open() {
  themeButton(find("theme"));
  const place = await restaurant();
  for (const dish of place.menu) dishes.set(dish.id, dish);
  const clock = clockOf(place.now);
  const tables = place.tables.map(({ number }) => number);
  const branch = `ws/catchup?branch_id=${place.branch}`;
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
      const phone = new Phone(number, () => seat(number).catch(({ message }) => announce(message)));
      const where = sector(place.tables.find((table) => table.number === number).sector).name;
      const about = `Diner, ${where} · /ws/diner`;
      const pane = show(
        new Pane({ id: `t${number}`, name: `Table ${number}`, about, kind: "phone", view: phone.view, act: phone.act, announce }),
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
  // The guests scan what the staff puts on their table; whoever of the staff hears of the party first.
  for (const viewer of [manager, ...waiters.map(({ viewer }) => viewer)]) {
    viewer.addEventListener("change", () => {
      for (const number of phones.keys()) {
        const { session } = viewer.evening.tables.get(number);
        if (session > 0) sit(number, session);
      }
    });
  }
  manager.addEventListener(
    "knows",
    () => {
      for (const [number, { viewer }] of phones) if (viewer === undefined) seat(number);
    },
    { once: true },
  );

  controls(new Robots({ waiters, kitchen, phones, clock }));
}

function controls(robots) {
  const play = find("play");
  const press = () => {
    if (robots.playing) robots.stop();
    else robots.start();
    play.setAttribute("aria-pressed", String(robots.playing));
    play.textContent = robots.playing ? "Pause the evening" : "Play the evening";
  };
  play.addEventListener("click", press);
  if (location.hash === "#play") press();
  find("flood").addEventListener("click", async ({ currentTarget }) => {
    // It stays focusable while it waits.
    if (currentTarget.getAttribute("aria-disabled") === "true") return;
    currentTarget.setAttribute("aria-disabled", "true");
    try {
      await flood(FLOOD_EVENTS);
    } catch ({ message }) {
      announce(message);
    }
    find("flood").removeAttribute("aria-disabled");
  });
}

open().catch((error) => {
  const words = document.createElement("p");
  words.className = "failure";
  words.textContent = `The demo could not be opened: ${error.message}`;
  find("room").replaceChildren(words);
});
