// dist: modules with types for bundlers and Node, and one minified module for a page's <script type="module">.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(1);
await build({
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.min.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
});
