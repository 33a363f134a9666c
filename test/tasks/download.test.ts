import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { download } from "../../src/tasks/download.js";
import { temporary } from "../fixtures/temporary-directory.js";

const CONTENT = "a row\n".repeat(1000);
const sha256 = createHash("sha256").update(CONTENT).digest("hex");
let requests = 0;
const server = createServer((request, response) => {
  requests++;
  if (request.url === "/none") response.writeHead(404).end();
  else response.writeHead(200, { "content-length": CONTENT.length }).end(CONTENT);
});
let base = "";

beforeAll(async () => {
  process.env.XDG_CACHE_HOME = temporary("cache");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
afterAll(() => {
  server.close();
});

test("downloads once, with progress", async () => {
  const seen: { received: number; total: number }[] = [];
  const source = { url: `${base}/rows`, sha256, name: "rows.jsonl" };
  const file = await download(source, { onProgress: (progress) => seen.push(progress) });
  expect(seen.at(-1)).toEqual({ received: CONTENT.length, total: CONTENT.length });
  expect(await download(source)).toBe(file);
  expect(requests).toBe(1);
});

test.each([
  ["/none", sha256, "404"],
  ["/rows", "0".repeat(64), "SHA-256"],
])("keeps nothing of %s with checksum %s, and names --data", async (path, checksum, what) => {
  const source = { url: base + path, sha256: checksum, name: "other.jsonl" };
  const error = await download(source).catch((e: Error) => e);
  expect(error).toMatchObject({ code: "ERR_DOWNLOAD" });
  expect((error as Error).message).toContain(what);
  expect((error as Error).message).toContain("--data FILE");
});
