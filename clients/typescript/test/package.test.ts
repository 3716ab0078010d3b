// The package as others get it; `npm test` has built it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { gzipSync } from "node:zlib";

const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

it("the browser module has at most 6 KB when it is compressed", () => {
  const size = gzipSync(readFileSync("dist/index.min.js"), { level: 9 }).length;
  assert.ok(size <= 6 * 1024, `${size} bytes`);
});

it("the modules and the browser module export the same", async () => {
  // Imported by a name that the bundler does not see: the built files are meant.
  const names = await Promise.all(
    ["index.js", "index.min.js"].map(async (name) => Object.keys(await import(`${process.cwd()}/dist/${name}`)).sort()),
  );
  assert.deepEqual(names, [
    ["FanoutClient", "connect", "webStorage"],
    ["FanoutClient", "connect", "webStorage"],
  ]);
});

it("it depends on nothing", () => {
  const { dependencies, peerDependencies, optionalDependencies } = json("package.json");
  assert.deepEqual([dependencies, peerDependencies, optionalDependencies], [undefined, undefined, undefined]);
});

it("it packs what is built, with its types, and nothing else", () => {
  const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8" });
  assert.equal(packed.status, 0, packed.stderr);
  const [{ files }] = JSON.parse(packed.stdout);
  const paths: string[] = files.map(({ path }: { path: string }) => path);
  for (const path of ["dist/index.js", "dist/index.d.ts", "dist/index.min.js", "README.md", "LICENSE"]) {
    assert.ok(paths.includes(path), path);
  }
  assert.deepEqual(
    paths.filter(
      (path) => !/^(dist\/[\w-]+(\.min)?\.js|dist\/[\w-]+\.d\.ts|README\.md|LICENSE|package\.json)$/.test(path),
    ),
    [],
  );
});

it("the lock file names versions and checksums, and no registry", () => {
  for (const [path, entry] of Object.entries<Record<string, unknown>>(json("package-lock.json").packages)) {
    assert.equal(entry.resolved, undefined, path);
    if (path !== "") assert.match(String(entry.integrity), /^sha512-/, path);
  }
});
