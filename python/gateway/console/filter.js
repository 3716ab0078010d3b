// What the tail's form asks, as the gateway understands it, and the same question asked of events that are here already.

/** The filter of a form; what is empty is left out, and what is no number too. */
export function filterOf(form) {
  const { type, tenant, branch, delivery, text } = form.elements;
  const filter = { delivery: delivery.value };
  if (type.value) filter.type = type.value.trim();
  if (text.value) filter.text = text.value;
  if (whole(tenant)) filter.tenant = whole(tenant);
  if (whole(branch)) filter.branch = whole(branch);
  return filter;
}

export function matches(filter, event) {
  return (
    (filter.tenant === undefined || filter.tenant === event.tenant) &&
    (filter.branch === undefined || filter.branch === event.branch) &&
    (filter.delivery === "all" || (filter.delivery === "critical") === event.critical) &&
    (!filter.type || event.type.toUpperCase().includes(filter.type.toUpperCase())) &&
    (!filter.text || event.event.includes(filter.text))
  );
}

/** The values of a form that are set, by name. */
export function queryOf(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
}

function whole(input) {
  const value = Number(input.value);
  return input.value !== "" && input.validity.valid && Number.isSafeInteger(value) ? value : undefined;
}
