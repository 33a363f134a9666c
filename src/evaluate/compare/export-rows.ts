/** Runs as a table for other programs: a row for each whole text that was kept, else for each sample. */
import type { EvaluationRun } from "../store/read-run.js";
import { isFailed, type Sample } from "../store/run-files.js";

const COLUMNS = [
  ...["run", "task", "model", "item", "method", "sample", "seed", "text_index", "chosen"],
  ...["answer", "gold", "correct", "reward", "log_prob", "generated", "ms", "error", "text"],
] as const;

type Row = Record<(typeof COLUMNS)[number], string | number | boolean | null>;

/** The rows of runs, in their order. */
export function exportRows(runs: readonly EvaluationRun[]): Row[] {
  return runs.flatMap(({ directory, run, samples }) =>
    samples.flatMap((sample) =>
      rowsOf({ run: directory, task: run.task, model: run.model.path }, sample),
    ),
  );
}

function rowsOf(head: Pick<Row, "run" | "task" | "model">, sample: Sample): Row[] {
  const { item, method, sample: number, seed } = sample;
  const base = {
    ...{ ...head, item, method, sample: number, seed, text_index: null, chosen: null },
    ...{ answer: null, gold: null, correct: null, reward: null, log_prob: null },
    ...{ generated: null, ms: null, error: null, text: null },
  };
  if (isFailed(sample)) return [{ ...base, error: sample.error.code }];
  const { gold, usage } = sample;
  const chosen = sample.texts?.findIndex(({ text }) => text === sample.text);
  const whole = { ...base, gold, ms: usage.ms };
  if (sample.texts === undefined) {
    const { text, extracted: answer, correct, reward = null } = sample;
    return [
      {
        ...whole,
        text_index: 0,
        chosen: true,
        text,
        answer,
        correct,
        reward,
        generated: usage.generated,
      },
    ];
  }
  return sample.texts.map(({ text, answer, correct, reward, logProb, generated }, i) => ({
    ...{ ...whole, text_index: i, chosen: i === chosen },
    ...{ text, answer, correct, reward, log_prob: logProb, generated },
  }));
}

/** RFC 4180, with a header; an empty field stands for null. */
export function toCsv(rows: readonly Row[]): string {
  const field = (value: Row[keyof Row]) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => COLUMNS.map((column) => field(row[column])).join(","));
  return [COLUMNS.join(","), ...lines, ""].join("\r\n");
}

/** Types of the columns that hold no texts, as Parquet names them. */
const PARQUET_TYPES: Partial<Record<keyof Row, "BOOLEAN" | "DOUBLE" | "INT32">> = {
  ...{ sample: "INT32", text_index: "INT32", generated: "INT32", seed: "DOUBLE" },
  ...{ chosen: "BOOLEAN", correct: "BOOLEAN" },
  ...{ reward: "DOUBLE", log_prob: "DOUBLE", ms: "DOUBLE" },
};

/** A Parquet file, in which each column may have nulls; seeds are doubles, which hold all of them. */
export async function toParquet(rows: readonly Row[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const columnData = COLUMNS.map((name) => ({
    ...{ name, type: PARQUET_TYPES[name] ?? ("STRING" as const), nullable: true },
    data: rows.map((row) => row[name]),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

export function toJsonLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}
