// What the key in use is good for; the gateway checks it all the same.

let scopes = new Set();

export function learnScopes(list) {
  scopes = new Set(list);
}

export function may(scope) {
  return scopes.has(scope);
}

/** The attributes of a button that needs a scope. */
export function needs(scope) {
  return may(scope) ? {} : { disabled: "disabled", title: `This key has not the scope ${scope}.` };
}
