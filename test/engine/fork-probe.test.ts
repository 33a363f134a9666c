/**
 * The probe of forks catches engines with a planted fault in the trial that meets it, and what passed
 * is remembered for the file, the engine and the device. That families pass is for families.test.ts.
 */
import { copyFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
import {
  type ProbedModel,
  type ProbedSequence,
  type ProbedSequences,
  probeForks,
} from "../../src/engine/local/fork-probe.js";
import { isProven, keepProof } from "../../src/engine/local/fork-proofs.js";
import { loadToProve } from "../../src/engine/local/load-model.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import * as recurrent from "../fixtures/tiny-recurrent-models.js";

const cache = temporary("cache");
const inherited = process.env.XDG_CACHE_HOME;
beforeAll(() => {
  process.env.XDG_CACHE_HOME = cache;
});
afterAll(() => {
  if (inherited === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = inherited;
});

/** Each layer moves its states of other texts: an abort between two layers would harm those texts. */
test("aborts harm no text of a model with many recurrent layers", async () => {
  const file = temporaryFile("deep.gguf", encodeGguf(recurrent.tinyMamba2(32)));
  await using model = await loadLocal(file, { gpu: false, threads: 1 });
  const { stages } = await probeForks(model);
  const { name, largest, other } = stages.at(-1) as (typeof stages)[number];
  expect(name).toBe("decoded after an abort");
  expect(largest).toBeLessThan(0.01 * other);
});

/** How an engine may go wrong with sequences that look sound each by itself. */
type Fault = "forks share a state" | "freed states come back" | "an abort leaves tokens";

/** A sequence of the faulty engine: several may be one of the sound engine beneath. */
class FaultySequence implements ProbedSequence {
  readonly #engine: FaultySequences;
  readonly #origin: ProbedSequence | undefined;
  state: ProbedSequence;

  constructor(engine: FaultySequences, state: ProbedSequence, origin?: ProbedSequence) {
    this.#engine = engine;
    this.#origin = origin;
    this.state = state;
  }

  async prefill(tokens: Int32Array): Promise<void> {
    if (tokens.length > 100 && this.#engine.fault === "an abort leaves tokens") {
      await this.#engine.aborted;
      await this.#origin?.prefill(tokens.slice(0, 2));
      throw new LlamaEtsError("ERR_ABORTED", "Aborted");
    }
    await this.state.prefill(tokens);
  }

  logits(): Promise<Float32Array> {
    return this.state.logits();
  }

  fork(): Promise<FaultySequence> {
    return this.#engine.forkOf(this);
  }

  truncate(length: number): Promise<void> {
    return this.state.truncate(length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine.freed ??= this.state;
    if (!this.#engine.keeps(this)) await this.state[Symbol.asyncDispose]();
  }
}

/** Sequences of a real model, with one fault. */
class FaultySequences {
  readonly fault: Fault;
  readonly sound: ProbedSequences;
  freed: ProbedSequence | undefined;
  #abort = () => {};
  readonly aborted = new Promise<void>((resolve) => {
    this.#abort = resolve;
  });

  constructor(sound: ProbedSequences, fault: Fault) {
    this.sound = sound;
    this.fault = fault;
  }

  keeps({ state }: FaultySequence): boolean {
    const comesBack = this.fault === "freed states come back" && state === this.freed;
    return comesBack || this.fault === "forks share a state";
  }

  async forkOf(parent: FaultySequence): Promise<FaultySequence> {
    const { state } = parent;
    if (this.fault === "forks share a state") return new FaultySequence(this, state);
    const source = (this.fault === "freed states come back" && this.freed) || state;
    return new FaultySequence(this, await source.fork(), state);
  }

  async create(): Promise<FaultySequence> {
    return new FaultySequence(this, await this.sound.create());
  }

  async prefill(
    requests: readonly { sequence: ProbedSequence; tokens: Int32Array }[],
  ): Promise<void> {
    for (const { sequence, tokens } of requests) await sequence.prefill(tokens);
  }

  abort(): void {
    this.#abort();
  }
}

/** Texts alone in a context have no faults: no text is forked there. */
function withFault(model: LocalModel, fault: Fault): ProbedModel {
  const leased = new Map<unknown, ProbedSequences>();
  return {
    info: model.info,
    lease: async (needs) => {
      const sound = await model.lease({ ...needs, sequences: needs.sequences + 1 });
      const faulty = new FaultySequences(sound, fault) as unknown as ProbedSequences;
      leased.set(faulty, sound);
      return faulty;
    },
    release: async (faulty) => model.release(leased.get(faulty) as ProbedSequences),
  };
}

describe("the probe catches an engine where", () => {
  const faults: [Fault, RegExp][] = [
    ["forks share a state", /^texts that were forked are not what each is alone/],
    ["freed states come back", /^texts that were freed and forked anew are not/],
    ["an abort leaves tokens", /^texts that were decoded after an abort are not/],
  ];

  test.each(faults)("%s", async (fault, reason) => {
    const file = temporaryFile("tinyMamba2.gguf", encodeGguf(recurrent.tinyMamba2()));
    await using model = await loadLocal(file, { gpu: false, threads: 1 });
    const verdict = await probeForks(withFault(model, fault));
    expect(verdict).toMatchObject({ outcome: "failed" });
    expect(verdict.reason).toMatch(reason);
  });
});

describe("a hybrid of a family that isn't known", () => {
  const gguf = encodeGguf(recurrent.tinyNemotronH("nemotron_h_moe"));
  const options = { gpu: false, threads: 1 } as const;
  const unproven = (file: string) => ({
    code: "ERR_UNSUPPORTED_MODEL",
    message: expect.stringMatching(
      `\`nemotron_h_moe\` keeps a recurrent state, and forks of its texts were not proven here\nTry: \`llama-ets doctor -m ${file}\``,
    ),
  });
  const load = async (file: string) => {
    await using model = await loadLocal(file, options);
    return model.describe().forksProven;
  };

  test("is refused until its forks were proven, and then as another file", async () => {
    const file = temporaryFile("unknown.gguf", gguf);
    await expect(load(file)).rejects.toMatchObject(unproven(file));
    await using model = await loadToProve(file, options);
    expect(model.describe().forksProven).toBe(false);
    expect(await model.proveForks()).toMatchObject({ outcome: "passed" });
    expect(model.describe().forksProven).toBe(true);
    expect(await load(file)).toBe(true);
    const copy = path.join(path.dirname(file), "copy.gguf");
    copyFileSync(file, copy);
    expect(await load(copy)).toBe(true);

    // Other content under the same name.
    writeFileSync(file, encodeGguf(recurrent.tinyNemotronH("nemotron_h_moe", [..."MAF"])));
    await expect(load(file)).rejects.toMatchObject(unproven(file));
  });

  test("is refused when what was kept can't be read", async () => {
    const file = temporaryFile("broken-proof.gguf", gguf);
    expect(await load(file)).toBe(true); // its content was proven above
    const proofs = path.join(cache, "llama-ets", "forks");
    for (const name of readdirSync(proofs)) {
      for (const broken of ["", "{", "null", "[]", '{"release":1}']) {
        writeFileSync(path.join(proofs, name), broken);
      }
    }
    await expect(load(file)).rejects.toMatchObject(unproven(file));
  });
});

test("a proof is one engine's, one device's, and one file's of that size and time", async () => {
  const file = temporaryFile("proven.gguf", "content");
  const proof = { file, release: "v1", device: "A" };
  const known = (changes: Partial<typeof proof>, mayHash = false) =>
    isProven({ ...proof, ...changes }, { mayHash });
  expect(await known({})).toBe(false);
  await keepProof(proof);
  expect(await known({})).toBe(true);
  expect(await known({ release: "v2" }, true)).toBe(false);
  expect(await known({ device: "B" }, true)).toBe(false);
  const copy = temporaryFile("proven-copy.gguf", "content");
  expect(await known({ file: copy })).toBe(false);
  expect(await known({ file: copy }, true)).toBe(true);
  utimesSync(file, 1, 1);
  expect(await known({})).toBe(false);
  expect(await known({}, true)).toBe(true);
});
