/** Models from a hub: each of its faults is told with a fix, in bounded time, and nothing bad stays. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { downloadModel, modelsDirectory } from "../../src/engine/download/download-model.js";
import {
  checkKept,
  findKept,
  keptModels,
  removeKept,
} from "../../src/engine/download/kept-models.js";
import { PATIENCE, type Patience } from "../../src/engine/download/patience.js";
import { sizeNote } from "../../src/engine/download/size.js";
import { LlamaEtsError } from "../../src/engine/errors.js";
import type { LoadProgress } from "../../src/engine/load-progress.js";
import { lockFile } from "../../src/engine/local/file-lock.js";
import { breakOff, FakeHub, inTurn, linkTo, sendFile, status } from "../fixtures/fake-hub.js";
import { temporary } from "../fixtures/temporary-directory.js";

const QUICK: Patience = { silentMs: 400, waitsMs: [5, 5, 5, 5], longestWaitMs: 30 };
const HTML = '<!DOCTYPE html><html><title>Sign in to "Café" Wi-Fi</title></html>';
const FILE = "/some/tiny-GGUF/resolve/main/tiny.Q8_0.gguf";
const SOURCE = "hf:some/tiny-GGUF/tiny.Q8_0.gguf";
const NAME = "hf_some_tiny.Q8_0.gguf";

function model(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size, `content ${seed} `);
  bytes.write("GGUF");
  for (let i = 8; i + 4 <= size; i += 1024) bytes.writeUInt32LE((i * seed) >>> 0, i);
  return bytes;
}
const CONTENT = model(3_000_000);

let hub: FakeHub;
let homes = 0;
beforeEach(async () => {
  hub = await FakeHub.open();
  const home = temporary(`home-${++homes}`);
  vi.stubEnv("HOME", home);
  vi.stubEnv("USERPROFILE", home);
  vi.stubEnv("MODEL_ENDPOINT", undefined);
  vi.stubEnv("HF_ENDPOINT", hub.url);
  for (const name of ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "XDG_CACHE_HOME"]) {
    vi.stubEnv(name, undefined);
  }
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

let reports: LoadProgress[] = [];
const fetchModel = (source = SOURCE, signal?: AbortSignal): Promise<string> => {
  reports = [];
  return downloadModel(source, (report) => reports.push(report), signal, QUICK);
};
const retries = () => reports.flatMap(({ retrying }) => retrying ?? []);
const kept = () => (existsSync(modelsDirectory()) ? readdirSync(modelsDirectory()) : []);
const models = () => kept().filter((name) => name.endsWith(".gguf"));

async function refusal(source = SOURCE): Promise<string> {
  const error: unknown = await fetchModel(source).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LlamaEtsError);
  expect(error).toMatchObject({ code: "ERR_DOWNLOAD" });
  expect(models()).toEqual([]);
  return (error as Error).message;
}

describe("before a model is written", () => {
  test("its size is said, and whether the memory that is free holds it", async () => {
    hub.routes.set(FILE, sendFile(CONTENT));
    await fetchModel();
    const notes = reports.flatMap(({ note }) => note ?? []);
    expect(notes).toEqual([expect.stringMatching(/^2\.9 MiB to download; .* of memory are free$/)]);
    expect(reports.findIndex(({ note }) => note !== undefined)).toBe(0);
    expect(sizeNote(2 ** 50, true)).toMatch(
      /^about 1048576\.0 GiB .*more than the .*smaller quant/,
    );
  });

  test("a file that the disk has no room for is refused", async () => {
    hub.routes.set(FILE, (_, response) => {
      response.writeHead(200, { "content-length": 2 ** 52 }).write("GGUF");
    });
    const error: unknown = await fetchModel().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_WRITE" });
    expect((error as Error).message).toMatch(/needs 4194304\.0 GiB, the disk has .* free\nTry: /);
    expect(kept()).toEqual([]);
  });

  test("offline, one that is not there is refused, and one that is there is used", async () => {
    hub.routes.set(FILE, sendFile(CONTENT));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await refusal()).toMatch(/HF_HUB_OFFLINE forbids it/);
    expect(hub.requests).toEqual([]);
    vi.stubEnv("HF_HUB_OFFLINE", "0");
    const file = await fetchModel();
    vi.stubEnv("HF_HUB_OFFLINE", "TRUE");
    expect(await fetchModel()).toBe(file);
  });
});

describe("a model that was downloaded", () => {
  const list = async () => (await keptModels()).map(({ name, broken }) => [name, broken ?? ""]);
  const readable = async () => {};

  test("is checked again by the hub's SHA-256, and removed with all that is its own", async () => {
    hub.routes.set(FILE, linkTo("/cdn/tiny", CONTENT));
    hub.routes.set("/cdn/tiny", sendFile(CONTENT));
    const file = await fetchModel();
    const found = await findKept("hf_some_tiny.Q8_0");
    expect(await checkKept(found, readable)).toMatchObject({ name: NAME, checksum: true });
    const changed = Buffer.from(CONTENT);
    changed.writeUInt8(7, 2_000_000);
    writeFileSync(file, changed);
    const broken = await checkKept(found, readable);
    expect(broken).toMatchObject({ checksum: false });
    expect(broken.broken).toMatch(/expected SHA-256 [0-9a-f]{64}, got/);
    writeFileSync(`${file}.part`, "GG");
    await removeKept(found);
    expect(kept()).toEqual([]);
    await expect(findKept(NAME)).rejects.toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
    // A file of the same name that came otherwise has no checksum.
    writeFileSync(file, changed);
    expect(await checkKept(found, readable)).toMatchObject({ checksum: null });
  });

  test("in parts is one model, broken while a part is missing", async () => {
    mkdirSync(modelsDirectory(), { recursive: true });
    const part = (i: number, of = 2) =>
      path.join(modelsDirectory(), `m-0000${i}-of-0000${of}.gguf`);
    writeFileSync(part(1), model(2048));
    writeFileSync(part(2), model(4096));
    expect(await keptModels()).toMatchObject([{ parts: 2, sizeBytes: 6144 }]);
    expect(await list()).toEqual([["m-00001-of-00002.gguf", ""]]);
    rmSync(part(2));
    writeFileSync(part(2, 3), model(64));
    expect(await list()).toEqual([
      ["m-00001-of-00002.gguf", expect.stringMatching(/^part 2 of 2: it could not be read/)],
      ["m-00002-of-00003.gguf", "its first part is missing"],
    ]);
    for (const one of await keptModels()) await removeKept(one);
    expect(kept()).toEqual([]);
  });

  test("can't be removed while another process downloads it, nor by a path", async () => {
    mkdirSync(modelsDirectory(), { recursive: true });
    const file = path.join(modelsDirectory(), "m.gguf");
    writeFileSync(file, model(2048));
    const lock = await lockFile(`${file}.lock`);
    await expect(removeKept({ path: file })).rejects.toMatchObject({ code: "ERR_WRITE" });
    expect(existsSync(file)).toBe(true);
    await lock?.[Symbol.asyncDispose]();
    for (const name of [file, "../models/m.gguf", "", ".", "m.gguf/"]) {
      await expect(findKept(name)).rejects.toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
    }
  });
});

describe("a model is downloaded once, with progress:", () => {
  test("by its file, through the hub's redirect", async () => {
    hub.routes.set(FILE, linkTo("/cdn/tiny", CONTENT));
    hub.routes.set("/cdn/tiny", sendFile(CONTENT));
    const file = await fetchModel();
    expect(file).toBe(path.join(modelsDirectory(), NAME));
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(kept()).toEqual([NAME]);
    const size = CONTENT.length;
    const done = { phase: "download", progress: 1, downloaded: size, total: size };
    expect(reports.at(-1)).toEqual(done);
    expect(hub.requests).toHaveLength(2);
    expect(await fetchModel()).toBe(file);
    expect(hub.requests).toHaveLength(2);
  });

  test.each([
    ["hf:some/tiny-GGUF:q8_0", "Q8_0", "hf_some_tiny.Q8_0.gguf"],
    ["hf:some/tiny-GGUF", "latest", "hf_some_tiny.gguf"],
    ["huggingface://some/tiny-GGUF:Q8_0", "Q8_0", "hf_some_tiny.Q8_0.gguf"],
  ])("by its quantization: %s", async (source, tag, name) => {
    const manifest = JSON.stringify({ ggufFile: { rfilename: "tiny.Q8_0.gguf" } });
    hub.routes.set(`/v2/some/tiny-GGUF/manifests/${tag}`, status(200, {}, manifest));
    hub.routes.set(FILE, sendFile(CONTENT));
    expect(await fetchModel(source)).toBe(path.join(modelsDirectory(), name));
    expect(await fetchModel(source)).toBe(path.join(modelsDirectory(), name));
    expect(hub.requests).toHaveLength(2);
  });

  test("by a page of the hub, a branch and a folder", async () => {
    hub.routes.set("/some/other/resolve/v2/a/b/c.gguf", sendFile(CONTENT));
    const file = await fetchModel(`${hub.url}/some/other/blob/v2/a/b/c.gguf`);
    expect(path.basename(file)).toBe("hf_some_other_v2_a__b_c.gguf");
  });

  test("by a URL that is no hub's, whose server gives no length and sees no token", async () => {
    await using other = await FakeHub.open();
    vi.stubEnv("HF_TOKEN", "hf_secret");
    const seen: unknown[] = [];
    other.routes.set("/m/x.gguf", (request, response) => {
      seen.push(request.headers.authorization);
      response.write(CONTENT.subarray(0, 3));
      response.end(CONTENT.subarray(3));
    });
    const file = await fetchModel(`${other.url}/m/x.gguf?key=1`);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(path.basename(file)).toMatch(/^127\.0\.0\.1!\d+_m__x\.gguf$/);
    expect(seen).toEqual([undefined]);
  });

  test("in all its parts, of which any may be named", async () => {
    const parts = [1, 2, 3].map((seed) => model(50_000, seed));
    const partName = (i: number) => `tiny-0000${i + 1}-of-00003.gguf`;
    for (const [i, part] of parts.entries()) {
      hub.routes.set(`/some/tiny-GGUF/resolve/main/q/${partName(i)}`, sendFile(part));
    }
    const file = await fetchModel("hf:some/tiny-GGUF/q/tiny-00002-of-00003.gguf");
    expect(path.basename(file)).toBe("hf_some_q_tiny-00001-of-00003.gguf");
    for (const [i, part] of parts.entries()) {
      const name = path.join(modelsDirectory(), `hf_some_q_${partName(i)}`);
      expect(readFileSync(name).equals(part)).toBe(true);
    }
    expect(reports.map(({ progress }) => progress)).toEqual(
      reports.map(({ progress }) => progress).sort((a, b) => a - b),
    );
    expect(await fetchModel("hf:some/tiny-GGUF/q/tiny-00001-of-00003.gguf")).toBe(file);
    expect(hub.requests).toHaveLength(3);
  });

  test("with the token, which goes to the hub alone", async () => {
    await using cdn = await FakeHub.open();
    vi.stubEnv("HF_TOKEN", "hf_secret");
    const seen: (string | undefined)[] = [];
    hub.routes.set(FILE, (request, response) => {
      seen.push(request.headers.authorization);
      linkTo(`${cdn.url}/x`, CONTENT)(request, response);
    });
    cdn.routes.set("/x", (request, response) => {
      seen.push(request.headers.authorization);
      sendFile(CONTENT)(request, response);
    });
    await fetchModel();
    expect(seen).toEqual(["Bearer hf_secret", undefined]);
  });
});

describe("what isn't a model is named, and not kept:", () => {
  test("a web page", async () => {
    hub.routes.set(FILE, status(200, { "content-type": "text/html" }, HTML));
    expect(await refusal()).toMatch(/expected a GGUF file, the server sent a web page\nTry: open/);
    expect(kept()).toEqual([]);
    hub.routes.set(FILE, sendFile(CONTENT));
    expect(path.basename(await fetchModel())).toBe(NAME);
  });

  test("a web page in the place of the hub's manifest", async () => {
    hub.routes.set("/v2/some/tiny-GGUF/manifests/Q8_0", status(200, {}, HTML));
    expect(await refusal("hf:some/tiny-GGUF:Q8_0")).toMatch(/the server sent a web page\nTry: /);
  });

  test.each([
    ["JSON", '{"metadata": {}}', /JSON/],
    ["nothing", "", /empty/],
    ["other bytes", "x".repeat(5000), /something else/],
  ])("%s", async (_, body, what) => {
    hub.routes.set(FILE, status(200, {}, body));
    expect(await refusal()).toMatch(what);
  });

  test("a page that an earlier download has left", async () => {
    mkdirSync(modelsDirectory(), { recursive: true });
    writeFileSync(path.join(modelsDirectory(), NAME), HTML);
    hub.routes.set(FILE, sendFile(CONTENT));
    expect(readFileSync(await fetchModel()).equals(CONTENT)).toBe(true);
  });

  test("a file with another checksum than the hub's", async () => {
    hub.routes.set(FILE, linkTo("/cdn", CONTENT));
    hub.routes.set("/cdn", sendFile(model(CONTENT.length, 2)));
    expect(await refusal()).toMatch(/expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}/);
  });
});

describe("a refusal has its reason and its fix:", () => {
  test.each([401, 403])("%i: the token, and the page with the licence", async (code) => {
    hub.routes.set(FILE, status(code));
    const message = await refusal();
    expect(message).toContain(`answered ${code}`);
    expect(message).toMatch(/\nTry: .*HF_TOKEN/);
    expect(message).toContain(`licence on ${hub.url}/some/tiny-GGUF`);
    expect(hub.requests).toHaveLength(1);
    vi.stubEnv("HF_TOKEN", "hf_expired");
    expect(await refusal()).toMatch(/HF_TOKEN is a valid token/);
  });

  test("401 of the manifest", async () => {
    hub.routes.set("/v2/some/tiny-GGUF/manifests/Q8_0", status(401));
    expect(await refusal("hf:some/tiny-GGUF:Q8_0")).toMatch(/HF_TOKEN/);
  });

  test("404", async () => {
    expect(await refusal()).toMatch(/answered 404.*\nTry: look at .*\/some\/tiny-GGUF/);
    expect(await refusal("hf:some/tiny-GGUF:Q9")).toMatch(/answered 404/);
  });

  test("a repository without GGUF files", async () => {
    hub.routes.set("/v2/some/tiny-GGUF/manifests/latest", status(200, {}, "{}"));
    expect(await refusal("hf:some/tiny-GGUF")).toMatch(/names no GGUF file/);
  });

  test("a redirect in a circle", async () => {
    hub.routes.set(FILE, status(302, { location: FILE }));
    expect(await refusal()).toMatch(/redirects without end/);
  });

  test.each(["hf:", "hf:user", "http:", "hf:../../etc/x.gguf", "hf:a/b/../c.gguf"])(
    "`%s` names no model",
    async (source) => {
      await expect(fetchModel(source)).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
    },
  );
});

describe("what may pass is tried again, shown, and given up:", () => {
  test.each([429, 500, 502, 503])("%i", async (code) => {
    hub.routes.set(FILE, status(code, { "retry-after": "3600" }));
    expect(await refusal()).toMatch(
      new RegExp(`127.0.0.1:\\d+ answered ${code} .*, after 5 attempts\nTry: .*HF_ENDPOINT`),
    );
    expect(retries()).toHaveLength(4);
    expect(retries()[0]).toMatch(new RegExp(`answered ${code} .*; attempt 2 of 5 in 0 s`));
    expect(hub.requests).toHaveLength(5);
    expect(kept()).toEqual([]);
  });

  test("500 of the manifest", async () => {
    hub.routes.set("/v2/some/tiny-GGUF/manifests/Q8_0", status(500));
    expect(await refusal("hf:some/tiny-GGUF:Q8_0")).toMatch(/answered 500/);
    expect(retries()).toHaveLength(4);
  });

  test("a port that refuses", async () => {
    const gone = await FakeHub.open();
    vi.stubEnv("HF_ENDPOINT", gone.url);
    await gone[Symbol.asyncDispose]();
    expect(await refusal()).toMatch(/ECONNREFUSED/);
    expect(retries()).toHaveLength(4);
  });

  test("a server that says nothing, at first or in between", async () => {
    hub.routes.set(FILE, () => {});
    expect(await refusal()).toMatch(/nothing came for 0\.4 s, after 5 attempts/);
    hub.routes.set(FILE, (_, response) => {
      response.writeHead(200, { "content-length": "1000" }).write(CONTENT.subarray(0, 100));
    });
    expect(await refusal()).toMatch(/broke off: nothing came for 0\.4 s, after 5 attempts/);
    expect(kept()).toEqual([]);
  });

  test("a server that drips bytes for ever, in the answer or in the manifest", async () => {
    const drip = (head: string) => (_: unknown, response: ServerResponse) => {
      response.writeHead(200, { "content-length": 10_000_000 });
      response.write(head);
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    };
    const brisk: Patience = { silentMs: 100, waitsMs: [5, 5], longestWaitMs: 5 };
    const fetched = (source: string) => downloadModel(source, () => {}, undefined, brisk);
    hub.routes.set(FILE, drip("GGUF"));
    await expect(fetched(SOURCE)).rejects.toThrow(
      /no more than \d+ bytes came for 0\.2 s, after 3 attempts/,
    );
    expect(kept()).toEqual([]);
    hub.routes.set("/v2/some/tiny-GGUF/manifests/Q8_0", drip("{"));
    const manifest = "hf:some/tiny-GGUF:Q8_0";
    await expect(fetched(manifest)).rejects.toThrow(/broke off: .*, after 3 attempts/);
  });

  test("as users have it, within three minutes", () => {
    const { silentMs, waitsMs, longestWaitMs } = PATIENCE;
    const attempts = waitsMs.length + 1;
    expect(attempts * silentMs + waitsMs.length * longestWaitMs).toBeLessThanOrEqual(180_000);
  });

  test("a fault that passes does no harm", async () => {
    hub.routes.set(FILE, inTurn(status(429), status(503), sendFile(CONTENT)));
    expect(readFileSync(await fetchModel()).equals(CONTENT)).toBe(true);
    expect(retries()).toHaveLength(2);
  });

  test("the wait is cut short by the signal, whose reason is thrown", async () => {
    hub.routes.set(FILE, status(500));
    const controller = new AbortController();
    const slow = { ...QUICK, waitsMs: [60_000] };
    const reason = new Error("enough");
    const outcome = downloadModel(SOURCE, () => controller.abort(reason), controller.signal, slow);
    await expect(outcome).rejects.toBe(reason);
  });
});

describe("after an interruption the bytes are equal:", () => {
  const CUT = 2_000_000;
  const half = breakOff(CONTENT, CUT);
  const bytesAre = async (content: Buffer) => {
    expect(readFileSync(await fetchModel()).equals(content)).toBe(true);
    expect(kept()).toEqual([NAME]);
  };

  test("the next attempt goes on where the first one broke off", async () => {
    hub.routes.set(FILE, inTurn(half, sendFile(CONTENT)));
    await bytesAre(CONTENT);
    expect(hub.requests).toEqual([FILE, expect.stringMatching(/ bytes=[1-9]\d+-$/)]);
    expect(retries()).toEqual([expect.stringContaining("broke off")]);
  });

  test("a server without ranges sends all of it again", async () => {
    const whole: ReturnType<typeof sendFile> = (request, response) => {
      delete request.headers.range;
      sendFile(CONTENT)(request, response);
    };
    hub.routes.set(FILE, inTurn(half, whole));
    await bytesAre(CONTENT);
  });

  test("another file on the server is fetched from its beginning", async () => {
    const other = model(CONTENT.length, 5);
    hub.routes.set(FILE, inTurn(half, sendFile(other)));
    await bytesAre(other);
  });

  test("so is a shorter one", async () => {
    const other = model(1_000_000, 5);
    hub.routes.set(FILE, inTurn(half, sendFile(other)));
    await bytesAre(other);
  });

  test("a range other than the one asked for is not believed", async () => {
    const wrong = status(206, {
      etag: '"x"',
      "content-range": `bytes 0-${CONTENT.length - 1}/${CONTENT.length}`,
    });
    hub.routes.set(FILE, inTurn(half, wrong, sendFile(CONTENT)));
    await bytesAre(CONTENT);
  });

  test("without a validator, nothing is pieced together", async () => {
    const weak = breakOff(CONTENT, CUT, 'W/"x"');
    hub.routes.set(FILE, inTurn(weak, sendFile(CONTENT)));
    await bytesAre(CONTENT);
    expect(hub.requests).toEqual([FILE, FILE]);
  });

  test("what was pieced together wrongly fails the checksum and is fetched anew", async () => {
    // The server claims that the file is the same, and it isn't.
    const stale = breakOff(model(CONTENT.length, 7), CUT);
    hub.routes.set(FILE, linkTo("/cdn", CONTENT));
    hub.routes.set("/cdn", inTurn(stale, sendFile(CONTENT)));
    await bytesAre(CONTENT);
    expect(retries().at(-1)).toMatch(/expected SHA-256/);
  });

  test("an aborted download is gone on with by the next call", async () => {
    hub.routes.set(FILE, (request, response) => {
      response.writeHead(200, { etag: '"1"', "content-length": CONTENT.length });
      response.write(CONTENT.subarray(0, CUT));
      request.on("close", () => {});
    });
    const controller = new AbortController();
    const stopped = downloadModel(
      SOURCE,
      ({ downloaded = 0 }) => downloaded >= CUT && controller.abort(),
      controller.signal,
      QUICK,
    );
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    expect(models()).toEqual([]);
    hub.routes.set(FILE, sendFile(CONTENT, '"1"'));
    await bytesAre(CONTENT);
    expect(hub.requests.at(-1)).toBe(`${FILE} bytes=${CUT}-`);
  });

  test("two at once fetch one file", async () => {
    hub.routes.set(FILE, sendFile(CONTENT));
    const files = await Promise.all([fetchModel(), fetchModel(), fetchModel()]);
    expect(new Set(files).size).toBe(1);
    expect(readFileSync(files[0] as string).equals(CONTENT)).toBe(true);
    expect(hub.requests).toEqual([FILE]);
  });
});
