// Every row of the clients' behaviour table, played to this client.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Stage } from "./stage.js";
import { pages, texts } from "./table.js";

for (const { title, rows } of pages()) {
  describe(title, () => {
    for (const { name, given = {}, steps } of rows) {
      it(name, () => {
        const stage = new Stage(given);
        for (const [index, { when, then }] of steps.entries()) {
          assert.deepEqual(stage.play(when), then, `step ${index + 1}: ${JSON.stringify(when)}`);
        }
      });
    }
  });
}

it("no row is left out", () => {
  // Counted in the text, not by the loader that the tests go by.
  const written = texts().reduce((sum, text) => sum + (text.match(/"steps":/g)?.length ?? 0), 0);
  assert.equal(
    pages().reduce((sum, { rows }) => sum + rows.length, 0),
    written,
  );
  assert.ok(written > 90);
});
