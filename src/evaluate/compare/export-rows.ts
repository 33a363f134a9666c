/**
 * Converts runs to tables for other programs. A table has a row for each kept text (for each sample if no
 * texts were kept), or a row for each token.
 */
import { LlamaEtsError } from "../../engine/errors.js";
import type { EvaluationRun } from "../store/read-run.js";
import { type GradedSample, isFailed, type KeptText, type Sample } from "../store/run-files.js";

type Cell = string | number | boolean | null;

/** The Parquet type of each column, by its name. */
type Columns = Readonly<Record<string, "STRING" | "BOOLEAN" | "DOUBLE" | "INT32">>;

/**
 * A table whose rows are made while they are read, so that the tokens of a whole run needn't fit into memory.
 */
export interface Table {
  columns: Columns;
  rows: Iterable<Readonly<Record<string, Cell>>>;
}

/** The columns that identify a sample. Seeds are doubles, which represent all of them exactly. */
const IDENTITY = {
  run: "STRING",
  task: "STRING",
  model: "STRING",
  item: "STRING",
  method: "STRING",
  sample: "INT32",
  seed: "DOUBLE",
  text_index: "INT32",
  chosen: "BOOLEAN",
} as const satisfies Columns;

const TEXT_COLUMNS = {
  ...IDENTITY,
  answer: "STRING",
  gold: "STRING",
  correct: "BOOLEAN",
  reward: "DOUBLE",
  log_prob: "DOUBLE",
  generated: "INT32",
  ms: "DOUBLE",
  error: "STRING",
  text: "STRING",
} as const satisfies Columns;

const TOKEN_COLUMNS = {
  ...IDENTITY,
  position: "INT32",
  token_id: "INT32",
  token: "STRING",
  log_prob: "DOUBLE",
  entropy: "DOUBLE",
} as const satisfies Columns;

type TextRow = Record<keyof typeof TEXT_COLUMNS, Cell>;
type TokenRow = Record<keyof typeof TOKEN_COLUMNS, Cell>;
type Identity = Pick<TextRow, keyof typeof IDENTITY>;

/** Returns a row for each text, in the order of the runs and their samples. */
export function textTable(runs: readonly EvaluationRun[]): Table {
  return { columns: TEXT_COLUMNS, rows: eachSample(runs, textRows) };
}

/**
 * Returns a row for each kept token, in the same order. Throws `ERR_INVALID_DATA` if the runs kept no tokens.
 */
export function tokenTable(runs: readonly EvaluationRun[]): Table {
  const hasTokens = ({ ids, logProbs, entropies }: TokenFields) =>
    (ids ?? logProbs ?? entropies) !== undefined;
  const keeps = (sample: Sample) =>
    !isFailed(sample) && [sample, ...(sample.texts ?? [])].some(hasTokens);
  if (!runs.some(({ samples }) => samples.some(keeps))) {
    const names = runs.map(({ directory }) => directory).join(", ");
    throw new LlamaEtsError("ERR_INVALID_DATA", `No tokens were kept in ${names}`, {
      fix: "`llama-ets eval --keep tokens,logprobs,entropies`",
    });
  }
  return { columns: TOKEN_COLUMNS, rows: eachSample(runs, tokenRows) };
}

function* eachSample<Row>(
  runs: readonly EvaluationRun[],
  rowsOf: (identity: Identity, sample: Sample) => Iterable<Row>,
): Iterable<Row> {
  for (const { directory, run, samples } of runs) {
    for (const sample of samples) {
      const { item, method, sample: number, seed } = sample;
      const identity = {
        run: directory,
        task: run.task,
        model: run.model.path,
        item,
        method,
        sample: number,
        seed,
        text_index: null,
        chosen: null,
      };
      yield* rowsOf(identity, sample);
    }
  }
}

function textRows(identity: Identity, sample: Sample): TextRow[] {
  const base = {
    ...identity,
    answer: null,
    gold: null,
    correct: null,
    reward: null,
    log_prob: null,
    generated: null,
    ms: null,
    error: null,
    text: null,
  };
  if (isFailed(sample)) return [{ ...base, error: sample.error.code }];
  const { gold, usage, text, extracted: answer, correct, reward = null } = sample;
  const whole = { ...base, gold, ms: usage.ms };
  if (sample.texts === undefined) {
    const { generated } = usage;
    const only = { text_index: 0, chosen: true };
    return [{ ...whole, ...only, text, answer, correct, reward, generated }];
  }
  const chosen = chosenOf(sample);
  return sample.texts.map(({ text, answer, correct, reward, logProb, generated }, i) => ({
    ...whole,
    text_index: i,
    chosen: i === chosen,
    text,
    answer,
    correct,
    reward,
    log_prob: logProb,
    generated,
  }));
}

function* tokenRows(identity: Identity, sample: Sample): Iterable<TokenRow> {
  if (isFailed(sample)) return;
  const chosen = sample.texts === undefined ? 0 : chosenOf(sample);
  for (const [i, text] of (sample.texts ?? [sample]).entries()) {
    yield* rowsOfTokens({ ...identity, text_index: i, chosen: i === chosen }, text);
  }
}

type TokenFields = Pick<KeptText, "ids" | "pieces" | "logProbs" | "entropies">;

function rowsOfTokens(
  identity: Identity,
  { ids, pieces, logProbs, entropies }: TokenFields,
): TokenRow[] {
  const tokens: readonly unknown[] = ids ?? logProbs ?? entropies ?? [];
  return tokens.map((_, position) => ({
    ...identity,
    position,
    token_id: ids?.[position] ?? null,
    token: pieces?.[position] ?? null,
    log_prob: logProbs?.[position] ?? null,
    entropy: entropies?.[position] ?? null,
  }));
}

/**
 * Returns the index of the kept text that is the sample's text, or -1 if none is, because the text was
 * closed.
 */
function chosenOf({ texts = [], text }: GradedSample): number {
  return texts.findIndex((kept) => kept.text === text);
}

const BLOCK_CHARACTERS = 2 ** 16;

/** Writes CSV by RFC 4180 with a header. An empty field stands for null. */
export function toCsv(table: Table): Iterable<string> {
  return inBlocks(csvLines(table));
}

export function toJsonLines(table: Table): Iterable<string> {
  return inBlocks(jsonLines(table));
}

function* csvLines({ columns, rows }: Table): Iterable<string> {
  const names = Object.keys(columns);
  const field = (value: Cell = null) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  yield `${names.join(",")}\r\n`;
  for (const row of rows) yield `${names.map((name) => field(row[name])).join(",")}\r\n`;
}

function* jsonLines({ rows }: Table): Iterable<string> {
  for (const row of rows) yield `${JSON.stringify(row)}\n`;
}

/** Joins lines into blocks, because each piece costs a separate write. */
function* inBlocks(lines: Iterable<string>): Iterable<string> {
  let block = "";
  for (const line of lines) {
    block += line;
    if (block.length < BLOCK_CHARACTERS) continue;
    yield block;
    block = "";
  }
  yield block;
}

/** Writes a Parquet file, in which each column may have nulls. */
export async function toParquet({ columns, rows }: Table): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const columnData = Object.entries(columns).map(([name, type]) => ({
    name,
    type,
    nullable: true,
    data: [] as Cell[],
  }));
  for (const row of rows) {
    for (const { name, data } of columnData) data.push(row[name] ?? null);
  }
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
