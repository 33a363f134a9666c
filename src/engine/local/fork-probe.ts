/**
 * Tests whether a model's forks are correct. It compares the logits of the next token after forked
 * texts with the logits after the same texts alone. The texts are forked and decoded together, freed
 * and forked again, and decoded after an aborted decode. The test costs about fifty short decodes.
 *
 * The verdict is based on medians over rows, never on the largest difference. In a mixture of experts,
 * two experts may be about equal, so that rounding chooses between them. Then a single row differs
 * much even though the model is correct.
 */
import { setImmediate, setTimeout as wait } from "node:timers/promises";
import type { ContextNeeds, Model } from "../engine.js";
import { codeOf } from "../errors.js";
import type { Sequence, Sequences } from "../sequences.js";

/** A sequence that can return the logits of its next token. */
export interface ProbedSequence extends Sequence {
  logits(): Promise<Float32Array>;
  fork(): Promise<ProbedSequence>;
}

export interface ProbedSequences extends Sequences {
  create(): Promise<ProbedSequence>;
}

export interface ProbedModel extends Pick<Model, "release"> {
  info: Pick<Model["info"], "vocabSize" | "contextLength">;
  lease(needs: ContextNeeds): Promise<ProbedSequences>;
}

/** Measurements after one kind of trial. A distance is the root mean square over a row of logits. */
interface ProbedStage {
  name: "forked" | "freed and forked anew" | "decoded after an abort";
  rows: number;
  /** Median distance of a text's row from that of the same text alone. */
  own: number;
  /** Median distance of a text's row from the row that another text's state would give. */
  other: number;
  /** Rounding: distance between the rows of one text decoded in one batch and token by token. */
  rounding: number;
  /** Number of rows that are nearer to the other text's row than to their own. */
  nearer: number;
  /** The largest distance from a text's own row. Only tests of models without experts use it. */
  largest: number;
}

/** The result of the test. */
export interface ForkVerdict {
  outcome: "passed" | "failed" | "undecided";
  /** The result in words. */
  reason: string;
  stages: ProbedStage[];
}

/**
 * The largest allowed `own`, as a fraction of `other`. Files with random weights of 126 families stayed
 * below .08, rounding included. If two texts wrongly share a state, the fraction is about 1.
 */
const MOST_DISTANCE = 0.2;
/** `own` may be larger by this multiple of `rounding`: the compared texts were decoded in other batches. */
const MOST_ROUNDING = 2;
/** The largest allowed share of rows that are nearer to the other text's row. */
const MOST_NEARER = 0.25;
const SEQUENCES = 8;
const PARENT_TOKENS = 24;
/** The most tokens that a text gets after the tokens of its parent. */
const GROWTH = 16;
/** Tokens that are decoded one by one to measure rounding. */
const SINGLE = 8;
/** The most tokens of an aborted decode, distributed over up to three forks. */
const ABORTED_TOKENS = 1536;
/**
 * Delays before the abort. Early aborts hit the batch in which forks get their own states. A small
 * model finishes its decode before the later ones.
 */
const ABORT_DELAYS_MS = [0, 0, 0, 1, 1, 1, 2, 4, 8, 16];
/** Cells of the context that all texts share. Forks share the cells of their common prefix. */
const CELLS = 2048;

interface Text {
  sequence: ProbedSequence;
  tokens: number[];
}

/** Runs the test. Rejects as the model's calls do; with `ERR_OUT_OF_MEMORY` if a context doesn't fit. */
export async function probeForks(model: ProbedModel): Promise<ForkVerdict> {
  const { contextLength } = model.info;
  if (contextLength < 2 * GROWTH) {
    const reason = `its context of ${contextLength} tokens is too short to tell`;
    return { outcome: "undecided", reason, stages: [] };
  }
  const sequences = await model.lease({ cells: CELLS, sequences: SEQUENCES });
  try {
    return judge(await new Probe(model, sequences).run());
  } finally {
    await model.release(sequences);
  }
}

class Probe {
  readonly #model: ProbedModel;
  readonly #sequences: ProbedSequences;
  #texts: Text[] = [];
  #random = 1;
  #rounding = 0;

  constructor(model: ProbedModel, sequences: ProbedSequences) {
    this.#model = model;
    this.#sequences = sequences;
  }

  /** Runs the trials in order, up to the first one that gives wrong results. */
  async run(): Promise<ProbedStage[]> {
    const { contextLength } = this.#model.info;
    const parent = await this.#begin(Math.min(PARENT_TOKENS, contextLength - GROWTH));
    const whole = await this.#alone(parent.tokens);
    this.#rounding = distance(whole, await this.#alone(parent.tokens, SINGLE));
    const stages: ProbedStage[] = [];
    for (const [name, make] of [
      ["forked", () => this.#forkTogether(parent)],
      ["freed and forked anew", () => this.#churn(parent)],
      ["decoded after an abort", () => this.#goOnAfterAborts(parent)],
    ] as const) {
      await make();
      stages.push(await this.#compare(name));
      if (!isSound(stages.at(-1) as ProbedStage)) break;
    }
    return stages;
  }

  async #forkTogether(parent: Text): Promise<void> {
    for (let i = 0; i < 4; i++) await this.#fork(parent);
    const forks = this.#texts.slice(1);
    for (let step = 0; step < 4; step++) await this.#grow(forks);
    await this.#grow(this.#texts);
  }

  async #churn(parent: Text): Promise<void> {
    for (let round = 0; round < 6; round++) {
      await this.#free(this.#anyText());
      await this.#fork(this.#anyText());
      if (this.#texts.length < SEQUENCES - 1) await this.#fork(parent);
      await this.#grow(this.#texts.filter((_, i) => (i + round) % 3 !== 0));
    }
    const begun = await this.#begin(5, this.#texts.slice(0, 2));
    await this.#grow([begun, ...this.#texts.slice(0, -1)]);
  }

  async #goOnAfterAborts(parent: Text): Promise<void> {
    while (this.#texts.length > 4) await this.#free(this.#anyText());
    await this.#abort(parent);
    await this.#fork(parent);
    await this.#fork(parent);
    await this.#grow(this.#texts);
    await this.#grow(this.#texts.slice(-2));
  }

  /** Begins a new text. One batch decodes it, together with one more token for each of the others. */
  async #begin(length: number, others: readonly Text[] = []): Promise<Text> {
    const tokens = Array.from({ length }, () => this.#anyToken());
    const text = { sequence: await this.#sequences.create(), tokens };
    const own = { sequence: text.sequence, tokens: Int32Array.from(tokens) };
    await this.#sequences.prefill([own, ...others.map((other) => this.#lengthen(other))]);
    this.#texts.push(text);
    return text;
  }

  async #fork({ sequence, tokens }: Text): Promise<void> {
    this.#texts.push({ sequence: await sequence.fork(), tokens: [...tokens] });
  }

  async #free(text: Text): Promise<void> {
    this.#texts = this.#texts.filter((other) => other !== text);
    await text.sequence[Symbol.asyncDispose]();
  }

  /** Appends one token to each text, in one batch. */
  async #grow(texts: readonly Text[]): Promise<void> {
    await this.#sequences.prefill(texts.map((text) => this.#lengthen(text)));
  }

  #lengthen({ sequence, tokens }: Text) {
    tokens.push(this.#anyToken());
    return { sequence, tokens: Int32Array.from(tokens.slice(-1)) };
  }

  /** Decodes tokens after forks of a text and aborts the decode, until two decodes were hit. */
  async #abort({ sequence, tokens }: Text): Promise<void> {
    const length = Math.min(ABORTED_TOKENS, this.#model.info.contextLength - tokens.length);
    const count = Math.min(3, Math.floor(ABORTED_TOKENS / length));
    let hits = 0;
    for (const delay of ABORT_DELAYS_MS) {
      if (hits === 2) return;
      const requests: { sequence: ProbedSequence; tokens: Int32Array }[] = [];
      for (let i = 0; i < count; i++) {
        const more = Int32Array.from({ length }, () => this.#anyToken());
        requests.push({ sequence: await sequence.fork(), tokens: more });
      }
      const reading = Promise.allSettled([this.#sequences.prefill(requests)]);
      await (delay > 0 ? wait(delay) : setImmediate());
      this.#sequences.abort();
      const [read] = await reading;
      const wasAborted = read.status === "rejected" && codeOf(read.reason) === "ERR_ABORTED";
      if (read.status === "rejected" && !wasAborted) throw read.reason;
      if (wasAborted && (await this.#wasHit(requests.map((request) => request.sequence)))) hits++;
      for (const { sequence: fork } of requests) await fork[Symbol.asyncDispose]();
    }
  }

  /** Whether an abort hit a decode. If texts can't be truncated, the fork in that decode is lost. */
  async #wasHit(forks: readonly ProbedSequence[]): Promise<boolean> {
    if (this.#sequences.rewind === "any") return true;
    const read = await Promise.allSettled(forks.map((fork) => fork.logits()));
    return read.some(({ status }) => status === "rejected");
  }

  /** A pseudo-random text other than the first. The first text, the parent, is never freed. */
  #anyText(): Text {
    return this.#texts[1 + (this.#next() % (this.#texts.length - 1))] as Text;
  }

  #anyToken(): number {
    return this.#next() % this.#model.info.vocabSize;
  }

  /** A pseudo-random number from Lehmer's generator. The sequence of numbers is always the same. */
  #next(): number {
    this.#random = (this.#random * 48271) % (2 ** 31 - 1);
    return this.#random;
  }

  async #compare(name: ProbedStage["name"]): Promise<ProbedStage> {
    const own: number[] = [];
    const other: number[] = [];
    for (const [i, { sequence, tokens }] of this.#texts.entries()) {
      const row = await sequence.logits();
      own.push(distance(row, await this.#alone(tokens)));
      // With another text's state, the row would follow that text's tokens and this text's last one.
      const { tokens: wrong } = this.#texts[(i + 1) % this.#texts.length] as Text;
      other.push(distance(row, await this.#alone([...wrong.slice(0, -1), ...tokens.slice(-1)])));
    }
    const nearer = own.filter((x, i) => !(x <= (other[i] as number))).length;
    const largest = Math.max(...own);
    const medians = { own: median(own), other: median(other), rounding: this.#rounding };
    return { name, rows: own.length, ...medians, nearer, largest };
  }

  /** The logits after a text alone in its context. The last `single` tokens are decoded one by one. */
  async #alone(tokens: readonly number[], single = 0): Promise<Float32Array> {
    // The context has the same number of cells: some models encode positions by the context's size.
    const sequences = await this.#model.lease({ cells: CELLS, sequences: 1 });
    try {
      const text = await sequences.create();
      const first = tokens.length - single;
      await text.prefill(Int32Array.from(tokens.slice(0, first)));
      for (const token of tokens.slice(first)) await text.prefill(Int32Array.of(token));
      return await text.logits();
    } finally {
      await this.#model.release(sequences);
    }
  }
}

function isSound({ own, other, rounding, nearer, rows }: ProbedStage): boolean {
  const most = MOST_DISTANCE * other + MOST_ROUNDING * rounding;
  return own <= most && nearer <= MOST_NEARER * rows;
}

function judge(stages: ProbedStage[]): ForkVerdict {
  if (stages.some(({ other, rounding }) => other <= MOST_ROUNDING * rounding)) {
    return { outcome: "undecided", reason: "its texts can't be told apart", stages };
  }
  const ratio = ({ own, other }: ProbedStage) => own / other;
  const wrong = stages.find((stage) => !isSound(stage));
  if (wrong === undefined) {
    const rows = stages.reduce((sum, stage) => sum + stage.rows, 0);
    const most = percent(Math.max(...stages.map(ratio)));
    const reason =
      `${rows} texts, forked and decoded together, freed and forked anew, and after an aborted ` +
      `decode, are what each is alone: median rows within ${most} of another text's distance`;
    return { outcome: "passed", reason, stages };
  }
  const reason =
    `texts that were ${wrong.name} are not what each is alone: a median row is off by ` +
    `${percent(ratio(wrong))} of another text's distance, and ${wrong.nearer} of ${wrong.rows} ` +
    "rows are nearer to that";
  return { outcome: "failed", reason, stages };
}

/** Root mean square of the differences of two rows. */
function distance(a: Float32Array, b: Float32Array): number {
  const squares = a.reduce((sum, x, i) => sum + (x - (b[i] as number)) ** 2, 0);
  return Math.sqrt(squares / a.length);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))}%`;
}
