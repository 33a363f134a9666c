/** The attention kernel against its definition, written plainly in double precision. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type AttentionNode,
  type AttentionShape,
  addon,
  SHARED_ATTENTION,
} from "../../src/engine/local/native.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { largestDifference } from "../fixtures/rounding.js";

const MASKED = 0xfc00; // -infinity in half precision
const ATTENDED = 0;
/** Single precision's rounding over some hundred terms of the size of these. */
const TOLERANCE = 1e-5;

interface Call {
  shape: AttentionShape;
  queries: Float32Array;
  keys: Uint16Array;
  values: Uint16Array;
  mask: Uint16Array;
}

/** Finite half precision numbers of sizes from 1/32 to 2. */
const toHalf = (bits: number) =>
  ((bits & 1) << 15) | ((10 + ((bits >>> 1) % 6)) << 10) | ((bits >>> 8) & 1023);
const HALVES = Float64Array.from({ length: 2 ** 16 }, (_, half) => {
  const size = 2 ** (((half >> 10) & 31) - 15) * (1 + (half & 1023) / 1024);
  return half & 0x8000 ? -size : size;
});
const fromHalf = (half: number | undefined) => HALVES[half as number] as number;

function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 4;
  };
}

/** As in a unified cache: a prompt that all rows share, then texts that grew side by side. */
function sharedPrompt(rows: number, cells: number, prompt: number): Uint16Array {
  return Uint16Array.from({ length: rows * cells }, (_, i) => {
    const [row, cell] = [Math.floor(i / cells), i % cells];
    return cell < prompt || (cell - prompt) % rows === row ? ATTENDED : MASKED;
  });
}

function callOf(shape: AttentionShape, seed: number, mask: Uint16Array): Call {
  const next = randomNumbers(seed);
  const { rows, heads, kvHeads, keySize, valueSize, cells } = shape;
  const halves = (length: number) => Uint16Array.from({ length }, () => toHalf(next()));
  return {
    shape,
    queries: Float32Array.from({ length: rows * heads * keySize }, () => (next() % 2001) / 500 - 2),
    keys: halves(cells * kvHeads * keySize),
    values: halves(cells * kvHeads * valueSize),
    mask,
  };
}

function attend({ shape, queries, keys, values, mask }: Call, order?: number[]): Float32Array {
  const given = order && Int32Array.from(order);
  return addon().attend(shape, queries, keys, values, mask, given) as Float32Array;
}

function definition({ shape, queries, keys, values, mask }: Call): number[] {
  const { rows, heads, kvHeads, keySize, valueSize, cells, scale, softcap } = shape;
  const out: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / kvHeads));
      const weights = Array.from({ length: cells }, (_, cell) => {
        if (mask[row * cells + cell] === MASKED) return 0;
        let score = 0;
        for (let d = 0; d < keySize; d++) {
          const query = queries[(row * heads + head) * keySize + d] as number;
          score += query * fromHalf(keys[(cell * kvHeads + shared) * keySize + d]);
        }
        score *= scale;
        return Math.exp(softcap === 0 ? score : softcap * Math.tanh(score / softcap));
      });
      const total = weights.reduce((a, b) => a + b, 0);
      for (let d = 0; d < valueSize; d++) {
        const sum = weights.reduce((all, weight, cell) => {
          return all + weight * fromHalf(values[(cell * kvHeads + shared) * valueSize + d]);
        }, 0);
        out.push(total === 0 ? 0 : sum / total);
      }
    }
  }
  return out;
}

const PLAIN = {
  rows: 9,
  heads: 6,
  kvHeads: 3,
  keySize: 16,
  valueSize: 24,
  cells: 150,
  scale: 0.25,
  softcap: 0,
  together: 32,
};
const plain = () => callOf(PLAIN, 1, sharedPrompt(PLAIN.rows, PLAIN.cells, 100));

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 20 }),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 5 }),
  key: fc.integer({ min: 1, max: 18 }),
  value: fc.integer({ min: 1, max: 18 }),
  cells: fc.integer({ min: 1, max: 200 }),
  softcap: fc.constantFrom(0, 0, 3),
  together: fc.integer({ min: 1, max: 32 }),
});

describe.skipIf(addon().attend(PLAIN, ...argumentsOf(plain())) === null)("attention", () => {
  test("is its definition's, whatever each row attends to", () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), (s, seed, part) => {
        const { rows, kvHeads, cells, softcap, together } = s;
        const sizes = { keySize: 8 * s.key, valueSize: 8 * s.value };
        const shape = {
          rows,
          kvHeads,
          cells,
          softcap,
          together,
          ...sizes,
          heads: kvHeads * s.group,
          scale: 1 / Math.sqrt(8 * s.key),
        };
        const next = randomNumbers(seed + 1);
        const mask = Uint16Array.from({ length: rows * cells }, () =>
          next() % 1000 < 1000 * part ? ATTENDED : MASKED,
        );
        const call = callOf(shape, seed, mask);
        expect(largestDifference(attend(call), definition(call))).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  test("is its definition's for texts that share a prompt", () => {
    const call = plain();
    expect(largestDifference(attend(call), definition(call))).toBeLessThan(TOLERANCE);
  });

  test("to one cell less, or to the next row's, is another", () => {
    for (const change of [
      (mask: Uint16Array) => mask.fill(MASKED, 99, 100),
      (mask: Uint16Array) => mask.copyWithin(0, PLAIN.cells, 2 * PLAIN.cells),
    ]) {
      const call = plain();
      const before = definition(call);
      change(call.mask);
      expect(largestDifference(attend(call), before)).toBeGreaterThan(100 * TOLERANCE);
    }
  });

  test("to nothing is 0", () => {
    const call = plain();
    call.mask.fill(MASKED, 0, PLAIN.cells);
    const out = attend(call);
    expect(new Set(out.subarray(0, 6 * 24))).toEqual(new Set([0]));
    expect(largestDifference(out, definition(call))).toBeLessThan(TOLERANCE);
  });

  test("of a row is the same to the last bit whatever rows are beside it", () => {
    const all = plain();
    const together = attend(all);
    expect(attend({ ...all, shape: { ...PLAIN, together: 1 } })).toEqual(together);
    const size = 6 * PLAIN.keySize;
    for (const row of [0, 4, 8]) {
      const alone = attend({
        ...all,
        shape: { ...PLAIN, rows: 1 },
        queries: all.queries.slice(row * size, (row + 1) * size),
        mask: all.mask.slice(row * PLAIN.cells, (row + 1) * PLAIN.cells),
      });
      expect(alone).toEqual(together.slice(row * 6 * 24, (row + 1) * 6 * 24));
    }
  });

  test("of a text is the same to the last bit wherever its cells lie, and in which order", () => {
    const { heads, kvHeads, keySize, valueSize } = PLAIN;
    const one = { ...PLAIN, rows: 1, together: 1 };
    const attended = (cells: number) => new Uint16Array(cells).fill(ATTENDED);
    const gaps = fc.array(fc.constantFrom(0, 0, 0, 1, 3, 31, 70), { minLength: 1, maxLength: 700 });
    fc.assert(
      fc.property(gaps, fc.nat(), fc.boolean(), (before, seed, isMixed) => {
        const packed = callOf({ ...one, cells: before.length }, seed, attended(before.length));
        let cells = 0;
        const places = before.map((gap) => {
          const place = cells + gap;
          cells = place + 1;
          return place;
        });
        const next = randomNumbers(seed);
        const order = Array.from({ length: cells }, (_, cell) => cell);
        for (let i = cells - 1; isMixed && i > 0; i--) {
          const other = next() % (i + 1);
          [order[i], order[other]] = [order[other] as number, order[i] as number];
        }
        // Another text's cells lie between them.
        const spread = callOf({ ...one, cells, rows: 2, together: 2 }, seed, attended(2 * cells));
        spread.queries.set(packed.queries, 0);
        spread.mask.fill(MASKED, 0, cells);
        for (const [i, place] of places.entries()) {
          const [cell, key, value] = [
            order[place] as number,
            kvHeads * keySize,
            kvHeads * valueSize,
          ];
          spread.mask[cell] = ATTENDED;
          spread.keys.set(packed.keys.subarray(i * key, (i + 1) * key), cell * key);
          spread.values.set(packed.values.subarray(i * value, (i + 1) * value), cell * value);
        }
        const out = attend(spread, isMixed ? order : undefined);
        expect(out.subarray(0, heads * valueSize)).toEqual(attend(packed));
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  test("of cells in another order differs in its last bits: the test before would see it", () => {
    const packed = callOf({ ...PLAIN, rows: 1 }, 1, new Uint16Array(PLAIN.cells).fill(ATTENDED));
    const { kvHeads, keySize, valueSize, cells } = packed.shape;
    const reversed = (numbers: Uint16Array, size: number) =>
      Uint16Array.from(numbers, (_, i) => {
        const [cell, rest] = [Math.floor(i / size), i % size];
        return numbers[(cells - 1 - cell) * size + rest] as number;
      });
    const other = {
      ...packed,
      keys: reversed(packed.keys, kvHeads * keySize),
      values: reversed(packed.values, kvHeads * valueSize),
    };
    const difference = largestDifference(attend(other), attend(packed));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(TOLERANCE);
  });

  test("of numbers that aren't any is NaN where they are attended to, and nowhere else", () => {
    const call = plain();
    call.keys.fill(0x7e00, 148 * 3 * 16, 149 * 3 * 16); // NaN: cell 148, of row 3
    const rows = Array.from({ length: PLAIN.rows }, (_, row) => {
      const out = attend(call).subarray(row * 6 * 24, (row + 1) * 6 * 24);
      return out.every(Number.isNaN) ? "NaN" : out.some(Number.isNaN) ? "some" : "numbers";
    });
    expect(rows).toEqual(rows.map((_, row) => (row === 3 ? "NaN" : "numbers")));
  });

  test("refuses arrays of other lengths than the shape says, and sizes it has no vectors for", () => {
    const { queries, keys, values, mask } = plain();
    const refused = { code: "ERR_INVALID_ARGUMENT" };
    const of = (changes: Partial<AttentionShape>) => () =>
      addon().attend({ ...PLAIN, ...changes }, queries, keys, values, mask);
    for (const changes of [
      ...[{ rows: 10 }, { cells: 151 }, { keySize: 12 }, { heads: 7 }, { together: 33 }],
      ...[{ rows: 0 }, { scale: Number.NaN }, { valueSize: 1e9 }],
    ]) {
      expect(of(changes), JSON.stringify(changes)).toThrow(expect.objectContaining(refused));
    }
    for (const order of [[0], [...new Array(149).fill(0), 150], [...new Array(149).fill(0), -1]]) {
      expect(() => attend(plain(), order), String(order)).toThrow(expect.objectContaining(refused));
    }
  });
});

describe.skipIf(addon().attend(PLAIN, ...argumentsOf(plain())) === null)(
  "attention in a graph of the engine's",
  () => {
    /** The engine rounds queries and sums to half precision; values are at most 1. */
    const ROUNDING = 0.01;
    const NODE: AttentionNode = {
      rows: 9,
      group: 2,
      kvHeads: 3,
      keySize: 64,
      valueSize: 32,
      cells: 200,
      softcap: 0,
      bias: 0,
      sinks: false,
      operand: 0,
    };
    type Computed = { out: Float32Array; isTaken: boolean; isOwn: boolean };
    const own = (node: Partial<AttentionNode> = {}, threads = 1) =>
      addon().attendInGraph({ ...NODE, ...node }, SHARED_ATTENTION, threads) as Computed;
    const engines = (node: Partial<AttentionNode> = {}) =>
      addon().attendInGraph({ ...NODE, ...node }, "CPU", 1) as Computed;

    beforeAll(async () => {
      await openEngine(false);
    });

    test.each([
      [{}],
      [{ softcap: 3 }],
      [{ rows: 1 }],
      [{ rows: 70, cells: 1000 }],
      [{ group: 1, kvHeads: 1, keySize: 8, valueSize: 8, cells: 1 }],
    ])("is ours, and the engine's up to rounding: %o", (node) => {
      const computed = own(node);
      expect(computed).toMatchObject({ isTaken: true, isOwn: true });
      expect(largestDifference(computed.out, engines(node).out)).toBeLessThan(ROUNDING);
      expect(engines(node).isOwn).toBe(false);
    });

    test("is the same to the last bit on any number of threads, also where none was set", () => {
      const node = { rows: 64, kvHeads: 4, cells: 512 };
      const { out } = own(node, 1);
      for (const threads of [0, 2]) expect(own(node, threads).out).toEqual(out);
    });

    test.each([
      ["sinks", { sinks: true }],
      ["ALiBi", { bias: 8 }],
      ["an operand that no attention has today", { operand: 5 }],
      ["another such operand", { operand: 9 }],
      ["keys of a size without vectors", { keySize: 12 }],
      ["values of a size without vectors", { valueSize: 20 }],
    ])("is left to the engine where it has %s", (_, node) => {
      const computed = own(node);
      expect(computed).toMatchObject({ isTaken: false, isOwn: false });
      expect(computed.out).toEqual(engines(node).out);
    });

    test("would not be registered beside backends of another version, nor if it disagreed", () => {
      expect(addon().checkAttention(2, ROUNDING)).toBe("");
      expect(addon().checkAttention(3, ROUNDING)).toBe("backend API 3 expected, found 2");
      expect(addon().checkAttention(2, 0)).toMatch(
        /^self-test differs from the engine by [\d.e-]+$/,
      );
    });

    test("says what finding out took", () => {
      const { isThere, reason, milliseconds } = addon().attention();
      expect({ isThere, reason }).toEqual({ isThere: true, reason: "AVX2; self-test agrees" });
      expect(milliseconds).toBeGreaterThan(0);
    });
  },
);

function argumentsOf({ queries, keys, values, mask }: Call) {
  return [queries, keys, values, mask] as const;
}
