/** Who goes on next: what fits, in a fair order, and nobody waits for ever. */
import { setMaxListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { RunQueue, type RunSize } from "../../src/server/run-queue.js";

const CAPACITY = [{ cells: 100, sequences: 10 }];
const cells = (count: number, model = 0): RunSize => {
  return { model, parts: [{ cells: count, sequences: 1 }] };
};
const APART: RunSize = { model: 0, parts: "apart" };

/** A queue whose runs are named, and end when they are told to. */
function open({ parallel = 8, queue = 100, models = 1, inTurns = false } = {}) {
  const each = Array.from({ length: models }, () => ({ capacity: CAPACITY, parallel }));
  const runQueue = new RunQueue({ models: each, parallel, queue, inTurns });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (name: string, size: RunSize, request = new AbortController().signal) => {
    const entered = runQueue.enter(size, request).then((leave) => {
      begun.push(name);
      ends.set(name, leave);
    });
    return entered;
  };
  const end = async (name: string) => {
    ends.get(name)?.();
    await turn();
  };
  return { runQueue, begun, ask, end };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("small runs go past a large one for which there is no room yet", async () => {
  const { begun, ask, end } = open();
  for (const [name, size] of [
    ["a", 40],
    ["large", 90],
    ["b", 30],
  ] as const)
    ask(name, cells(size));
  await turn();
  expect(begun).toEqual(["a", "b"]);
  await end("a");
  expect(begun).toEqual(["a", "b"]);
  await end("b");
  expect(begun).toEqual(["a", "b", "large"]);
});

test("a stream of small runs doesn't keep a large one waiting for ever, nor does it keep them", async () => {
  const { begun, ask, end } = open();
  const small = (i: number) => ask(`small ${i}`, cells(30));
  small(0);
  small(1);
  ask("large", cells(90));
  // Two go on at any time: there is never room for the large one, unless it is kept.
  for (let i = 0; i < 100; i++) {
    small(i + 2);
    await turn();
    await end(`small ${i}`);
    if (begun.includes("large")) await end("large");
  }
  const place = begun.indexOf("large");
  expect(place).toBeGreaterThan(2);
  expect(place).toBeLessThan(24);
  expect(begun.length).toBeGreaterThan(90);
});

test("a run in contexts of its own keeps nobody waiting, and only one goes on", async () => {
  const { runQueue, begun, ask, end } = open();
  for (const name of ["apart 1", "apart 2"]) ask(name, APART);
  for (const name of ["a", "b"]) ask(name, cells(50));
  await turn();
  expect(begun).toEqual(["apart 1", "a", "b"]);
  expect(runQueue.cells).toEqual({ used: 100, total: 100 });
  await end("apart 1");
  expect(begun.at(-1)).toBe("apart 2");
  await end("apart 2");
  expect(runQueue.isApartTaken).toBe(false);
});

test("a request of many runs leaves the next places to those who have none", async () => {
  const { begun, ask, end } = open({ parallel: 2 });
  const many = new AbortController().signal;
  setMaxListeners(0, many);
  for (let i = 0; i < 20; i++) ask(`many ${i}`, cells(1), many);
  for (let i = 0; i < 3; i++) ask(`one ${i}`, cells(1));
  await turn();
  expect(begun).toEqual(["many 0", "many 1"]);
  // A place that is free goes to who has none, and among these to who waits the longest.
  for (const [ended, next] of [
    ...[
      ["many 0", "one 0"],
      ["many 1", "one 1"],
      ["one 0", "one 2"],
      ["one 1", "many 2"],
    ],
    ...[
      ["many 2", "many 3"],
      ["one 2", "many 4"],
    ],
  ] as [string, string][]) {
    await end(ended);
    expect(begun.at(-1)).toBe(next);
  }
  expect(begun).toHaveLength(8);
});

test("a request of many runs that need all the room lets others go between them", async () => {
  const { begun, ask, end } = open();
  const many = new AbortController().signal;
  for (let i = 0; i < 5; i++) ask(`many ${i}`, cells(100), many);
  await turn();
  ask("one", cells(1));
  await end("many 0");
  expect(begun).toEqual(["many 0", "one"]);
  await end("one");
  expect(begun.at(-1)).toBe("many 1");
});

describe("of two models", () => {
  test("each has its own room, and a run that waits for the one's keeps nobody from the other's", async () => {
    const { runQueue, begun, ask, end } = open({ models: 2 });
    ask("a", cells(60));
    ask("large a", cells(90));
    for (let i = 0; i < 40; i++) {
      ask(`b ${i}`, cells(60, 1));
      await turn();
      await end(`b ${i}`);
    }
    expect(begun).toHaveLength(41);
    expect(runQueue.cells).toEqual({ used: 60, total: 200 });
    await end("a");
    expect(begun.at(-1)).toBe("large a");
  });

  test("that compute in turns one goes on at a time, and neither waits for ever", async () => {
    const { begun, ask, end } = open({ models: 2, inTurns: true });
    ask("a 0", cells(30));
    ask("a 1", cells(30));
    ask("b", cells(30, 1));
    for (let i = 0; i < 100 && !begun.includes("b"); i++) {
      ask(`a ${i + 2}`, cells(30));
      await turn();
      await end(`a ${i}`);
    }
    expect(begun.at(-1)).toBe("b");
    expect(begun.length).toBeLessThan(24);
    const before = begun.length;
    await end("b");
    // Now those of the other model that waited meanwhile, side by side.
    expect(begun.length).toBeGreaterThan(before);
    expect(begun.slice(before).every((name) => name.startsWith("a"))).toBe(true);
  });
});

describe("what is given up", () => {
  test("leaves the queue, and those behind it go on", async () => {
    const { runQueue, begun, ask, end } = open({ parallel: 1 });
    const abort = new AbortController();
    ask("a", cells(1));
    const given = expect(ask("b", cells(1), abort.signal)).rejects.toThrow("gone");
    ask("c", cells(1));
    abort.abort(new Error("gone"));
    await given;
    await end("a");
    expect(begun).toEqual(["a", "c"]);
    await end("c");
    expect([runQueue.running, runQueue.waiting, runQueue.cells.used]).toEqual([0, 0, 0]);
  });

  test("by all, whatever their order and sizes, frees everything", async () => {
    const { runQueue, begun, ask, end } = open({ parallel: 5 });
    const ended = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const abort = new AbortController();
      const size = i % 7 === 0 ? APART : cells(1 + ((i * 37) % 100));
      ask(String(i), size, abort.signal).catch(() => {});
      if (i % 5 === 0) abort.abort(new Error("gone"));
      await turn();
      expect(runQueue.cells.used).toBeLessThanOrEqual(100);
      expect(runQueue.running).toBeLessThanOrEqual(5);
      const first = begun.find((name) => !ended.has(name));
      if (i % 2 === 0 || first === undefined) continue;
      ended.add(first);
      await end(first);
    }
    for (let first = begun[0]; first !== undefined; first = begun.find((one) => !ended.has(one))) {
      ended.add(first);
      await end(first);
    }
    expect([runQueue.running, runQueue.waiting, runQueue.cells.used]).toEqual([0, 0, 0]);
    expect(runQueue.isApartTaken).toBe(false);
    expect(begun.length).toBeGreaterThan(200);
  });
});
