// Writes dist/commonjs/ for `require("llama-ets")`. `require` loads the same code as `import`, so that each
// module exists only once. Only the types are duplicated, because TypeScript treats a declaration as CommonJS
// or ESM by the package.json of its folder.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const out = path.join(dist, "commonjs");

/** Copies a declaration and all declarations that it refers to. */
function copyTypes(file, done = new Set()) {
  if (done.has(file)) return;
  done.add(file);
  const target = path.join(out, path.relative(dist, file));
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(file, target);
  for (const [, name] of readFileSync(file, "utf8").matchAll(
    /(?:from|import\(?)\s*"(\.[^"]+)\.js"/g,
  )) {
    copyTypes(path.resolve(path.dirname(file), `${name}.d.ts`), done);
  }
}

rmSync(out, { recursive: true, force: true });
copyTypes(path.join(dist, "index.d.ts"));
writeFileSync(path.join(out, "package.json"), '{ "type": "commonjs" }\n');
writeFileSync(path.join(out, "index.js"), 'module.exports = require("../index.js");\n');
