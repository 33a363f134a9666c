// Packs a release, or reports why it can't. It refuses a dirty tree, a version that the changelog or a tag
// contradicts, a missing or unfit prebuilt addon, failing checks, and a package above 30 MB.
//
//   node scripts/release.mjs               everything: minutes
//   node scripts/release.mjs --no-tests    without the tests, as a rehearsal; nothing is packed
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"];
const MOST_BYTES = 30e6;

const { values } = parseArgs({ options: { "no-tests": { type: "boolean" } } });
const hasTests = values["no-tests"] !== true;
const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
const refusals = [];

const run = (command, args, stdio = "inherit") =>
  execFileSync(command, args, { cwd: ROOT, encoding: "utf8", stdio });
const read = (command, args) => run(command, args, ["ignore", "pipe", "inherit"]).trim();

/** Runs a check and records the reason if it fails. */
async function check(what, look) {
  try {
    const refusal = await look();
    if (refusal) throw new Error(refusal);
    console.error(`ok      ${what}`);
  } catch (error) {
    refusals.push(what);
    console.error(`REFUSED ${what}: ${error.message}`);
  }
}

await check("the tree is as it is committed", () => read("git", ["status", "--porcelain"]));
await check(`the changelog tells of ${version}`, () => {
  const changelog = readFileSync(path.join(ROOT, "CHANGELOG.md"), "utf8");
  return changelog.includes(`## [${version}]`) ? "" : `it has no heading "## [${version}]"`;
});
await check("no other commit has this version's tag", () => {
  const tagged = read("git", ["tag", "--points-at", "HEAD"]).split("\n");
  const isTaken = read("git", ["tag", "--list", `v${version}`]) !== "";
  return isTaken && !tagged.includes(`v${version}`) ? `v${version} is another commit` : "";
});

// dist/ may still contain files that were removed from the sources.
rmSync(path.join(ROOT, "dist"), { recursive: true, force: true });
await check("npm run build", () => void run("npm", ["run", "build"]));
for (const platform of PLATFORMS) {
  await check(`prebuilds/${platform}`, async () => {
    const { checkPrebuild } = await import("./check-prebuilds.mjs");
    checkPrebuild(platform);
  });
}

const suites = ["lint", "typecheck", "test", "test:docs", "test:package", "docs"];
if (hasTests) {
  for (const suite of suites)
    await check(`npm run ${suite}`, () => void run("npm", ["run", suite]));
}

if (refusals.length > 0) {
  console.error(`Not released: ${refusals.join("; ")}`);
  process.exit(1);
}
if (!hasTests) {
  console.error("Nothing stands against a release but tests that weren't run");
  process.exit(0);
}
const [{ filename }] = JSON.parse(read("npm", ["pack", "--ignore-scripts", "--json"]));
const { size } = statSync(path.join(ROOT, filename));
if (size > MOST_BYTES) {
  rmSync(path.join(ROOT, filename));
  console.error(`Not released: the package has ${(size / 1e6).toFixed(1)} MB, 30 MB is the limit`);
  process.exit(1);
}
console.log(`${filename}: ${(size / 1e6).toFixed(1)} MB`);
