/**
 * Whether a model's forks can be relied on: the probabilities that follow texts which were forked and
 * decoded together, freed and forked anew, and decoded after an aborted decode, against those that
 * follow the same texts alone. It costs about fifty short decodes.
 *
 * The verdict rests on median rows, never on the largest difference: where two experts of a mixture
 * are about equal, rounding chooses between them, and a single row of a sound model differs much.
 */
import { setImmediate, setTimeout as wait } from "node:timers/promises";
import type { ContextNeeds, Model } from "../engine.js";
import { codeOf } from "../errors.js";
import type { Sequence, Sequences } from "../sequences.js";

/** A sequence that gives the logits of the token that comes next. */
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

/** The texts after one kind of trial. Distances are root mean squares over a row of logits. */
interface ProbedStage {
  name: "forked" | "freed and forked anew" | "decoded after an abort";
  rows: number;
  /** Median distance of a text's row from that of the same text alone. */
  own: number;
  /** Median distance from the row that another text's state would give. */
  other: number;
  /** Distance of two readings of one text alone, in one batch and token by token: rounding. */
  rounding: number;
  /** Rows that are nearer to the latter. */
  nearer: number;
  /** The largest of the first distances: for tests of models without experts, not for the verdict. */
  largest: number;
}

export interface ForkVerdict {
  outcome: "passed" | "failed" | "undecided";
  /** What came out, for people. */
  reason: string;
  stages: ProbedStage[];
}

/**
 * A median row is at most this far from its own text's, measured by another text's distance. Random
 * files of 126 families came within .08, rounding included; a state that is shared makes it about 1.
 */
const MOST_DISTANCE = 0.2;
/** Besides, rounding counts so often: a text is compared with one that was read in other batches. */
const MOST_ROUNDING = 2;
/** And of the rows, at most this share is nearer to another text's. */
const MOST_NEARER = 0.25;
const SEQUENCES = 8;
const PARENT_TOKENS = 24;
/** Tokens that a text gets at most behind the first one's. */
const GROWTH = 16;
/** Tokens that are read one by one to measure rounding. */
const SINGLE = 8;
/** What is read while it is aborted: so many tokens at most, behind up to three forks. */
const ABORTED_TOKENS = 1536;
/** Early ones meet the batch in which forks get states of their own; a small model has read all soon. */
const ABORT_DELAYS_MS = [0, 0, 0, 1, 1, 1, 2, 4, 8, 16];
/** Cells of the context of all texts; those of forks are shared. */
const CELLS = 2048;

interface Text {
  sequence: ProbedSequence;
  tokens: number[];
}

/** Rejects as the model's calls do; `ERR_OUT_OF_MEMORY` where its contexts don't fit. */
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

  /** Up to the first trial whose texts are wrong. */
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

  /** A text of its own, read in one batch with a token more for each of the others. */
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

  /** A token more for each, in one batch. */
  async #grow(texts: readonly Text[]): Promise<void> {
    await this.#sequences.prefill(texts.map((text) => this.#lengthen(text)));
  }

  #lengthen({ sequence, tokens }: Text) {
    tokens.push(this.#anyToken());
    return { sequence, tokens: Int32Array.from(tokens.slice(-1)) };
  }

  /** Reads on behind forks of a text, and aborts that, until it hit two decodes. */
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

  /** Where texts can't be cut back, those are lost that an abort met in a decode. */
  async #wasHit(forks: readonly ProbedSequence[]): Promise<boolean> {
    if (this.#sequences.rewind === "any") return true;
    const read = await Promise.allSettled(forks.map((fork) => fork.logits()));
    return read.some(({ status }) => status === "rejected");
  }

  /** All texts but the first are some time freed. */
  #anyText(): Text {
    return this.#texts[1 + (this.#next() % (this.#texts.length - 1))] as Text;
  }

  #anyToken(): number {
    return this.#next() % this.#model.info.vocabSize;
  }

  /** The numbers look random and are always the same (Lehmer's generator). */
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
      // Had it another text's state, that text's tokens would stand before its last.
      const { tokens: wrong } = this.#texts[(i + 1) % this.#texts.length] as Text;
      other.push(distance(row, await this.#alone([...wrong.slice(0, -1), ...tokens.slice(-1)])));
    }
    const nearer = own.filter((x, i) => !(x <= (other[i] as number))).length;
    const largest = Math.max(...own);
    const medians = { own: median(own), other: median(other), rounding: this.#rounding };
    return { name, rows: own.length, ...medians, nearer, largest };
  }

  /** The logits that follow a text which is alone in its context, its last tokens read one by one. */
  async #alone(tokens: readonly number[], single = 0): Promise<Float32Array> {
    // As many cells: some models encode positions in another way in larger contexts.
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

/** Root mean square over a row. */
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
