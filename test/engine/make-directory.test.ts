/** Directories that are made, refused, or raced for: always with an end. */
import { existsSync, statSync, symlinkSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { cacheDirectory, homeDirectory } from "../../src/engine/cache-directory.js";
import { makeDirectory } from "../../src/engine/make-directory.js";
import { makeUnlessThere } from "../../src/engine/whole-file.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

describe("makeDirectory", () => {
  test("makes what is missing, and is content with what is there", async () => {
    const directory = temporary("a/b/c/");
    await makeDirectory(directory);
    await makeDirectory(directory);
    await makeDirectory("/");
    expect(statSync(directory).isDirectory()).toBe(true);
    symlinkSync(temporary("a/b"), temporary("link"));
    await makeDirectory(temporary("link/c/d"));
    expect(existsSync(temporary("a/b/c/d"))).toBe(true);
  });

  test("makes one directory for all that ask at once", async () => {
    await Promise.all(
      Array.from({ length: 32 }, (_, i) => makeDirectory(temporary(`r/s/${i % 4}`))),
    );
    expect(existsSync(temporary("r/s/3"))).toBe(true);
  });

  test("refuses where a file or a dead link is in the way", async () => {
    const file = temporaryFile("file", "");
    await expect(makeDirectory(file)).rejects.toThrow("EEXIST");
    await expect(makeDirectory(`${file}/a/b`)).rejects.toThrow("ENOTDIR");
    symlinkSync(temporary("nowhere"), temporary("dead"));
    await expect(makeDirectory(temporary("dead/a"))).rejects.toThrow("EEXIST");
    await expect(makeDirectory("a\0b")).rejects.toThrow("null bytes");
  });

  test.runIf(existsSync("/proc/self")).each(["/proc/a", "/proc/a/b/c", "/proc/self/a/b"])(
    "ends for %s, which can't be made",
    async (directory) => {
      await expect(makeDirectory(directory)).rejects.toThrow("ENOENT");
    },
  );
});

test("a file of the cache that can't be kept is not made, and named with what to set", async () => {
  const make = vi.fn(async () => new Uint8Array(1));
  const made = makeUnlessThere(`${temporaryFile("no-directory", "")}/x/y`, make);
  await expect(made).rejects.toMatchObject({
    code: "ERR_WRITE",
    message: expect.stringMatching(/ENOTDIR.*\nTry: set XDG_CACHE_HOME/s),
  });
  expect(make).not.toHaveBeenCalled();
});

test.runIf(process.platform !== "win32")(
  "a HOME that is no path is none, not this directory",
  () => {
    vi.stubEnv("HOME", "");
    expect(homeDirectory).toThrow(/HOME is "".*\nTry: set HOME/s);
    vi.stubEnv("XDG_CACHE_HOME", "/cache");
    expect(cacheDirectory()).toBe("/cache/llama-ets");
    vi.unstubAllEnvs();
  },
);
