// The course of an order, and how things are called.

/** States in their order; a round never goes back. */
export const COURSE = ["PENDING", "CONFIRMED", "SUBMITTED", "IN_KITCHEN", "READY", "SERVED"];

export const NAMES = {
  PENDING: "Pending",
  CONFIRMED: "Confirmed",
  SUBMITTED: "Submitted",
  IN_KITCHEN: "In kitchen",
  READY: "Ready",
  SERVED: "Served",
  CANCELED: "Canceled",
};

/** What is done next to a round, and by whom. */
export const NEXT = {
  PENDING: { by: "waiter", action: "confirm", label: "Confirm" },
  CONFIRMED: { by: "waiter", action: "submit", label: "To kitchen" },
  SUBMITTED: { by: "kitchen", action: "start", label: "Start" },
  IN_KITCHEN: { by: "kitchen", action: "ready", label: "Ready" },
  READY: { by: "waiter", action: "serve", label: "Serve" },
};

const EURO = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

export function money(cents) {
  return EURO.format(cents / 100);
}

/** Dishes by id; filled once, when the restaurant is known. */
export const dishes = new Map();

export function itemsText(items) {
  return items.map(({ dish, quantity }) => `${quantity} × ${dishes.get(dish)?.name ?? dish}`).join(", ");
}
