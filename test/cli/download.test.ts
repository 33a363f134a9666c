/** A model that is named by its place on a hub, as people meet the hub's refusals. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { FakeHub, status } from "../fixtures/fake-hub.js";

const PATH = "/some/tiny-GGUF/resolve/main/tiny.Q8_0.gguf";
const ASK = ["ask", "-m", "hf:some/tiny-GGUF/tiny.Q8_0.gguf", "--gpu", "off", "1 + 1?"];

let hub: FakeHub;
let env: Record<string, string>;
beforeEach(async () => {
  hub = await FakeHub.open();
  env = { HOME: scratch("home"), USERPROFILE: scratch("home"), HF_ENDPOINT: hub.url, HF_TOKEN: "" };
});
afterEach(() => hub[Symbol.asyncDispose]());

test("a gated model is refused with the token and the page of its licence", async () => {
  hub.routes.set(PATH, status(401));
  const { code, stdout, stderr } = await cli(ASK, { env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^error hf:some\/tiny-GGUF\/.* answered 401 .*\(ERR_DOWNLOAD\)\nTry: /);
  expect(stderr).toContain(`${hub.url}/some/tiny-GGUF`);
  expect(stderr).toContain("HF_TOKEN");
});

test("what is tried again is printed, and Ctrl-C ends it", async () => {
  hub.routes.set(PATH, status(429, { "retry-after": "15" }));
  const { child, finished, says } = startCli(ASK, { env });
  await says("answered 429 Too Many Requests; attempt 2 of 5 in 15 s\n");
  child.kill("SIGINT");
  expect(await finished).toMatchObject({ code: 130, stdout: "" });
});

test("a GPU that isn't there is refused before anything is asked for", async () => {
  const gpu = process.platform === "darwin" ? "cuda" : "metal";
  const args = ["ask", "-m", "hf:some/tiny-GGUF/tiny.Q8_0.gguf", "--gpu", gpu, "1 + 1?"];
  const { code, stdout, stderr } = await cli(args, { env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^error No (metal|cuda) engine works .*\(ERR_ENGINE_NOT_FOUND\)\nTry: /);
  expect(hub.requests).toEqual([]);
});
