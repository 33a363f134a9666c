/** Sends a question to the server and reports the parts of the answer as they arrive. */
import type { Guidance, Run, Step, Token } from "./run.js";

export interface Question {
  model: string;
  prompt: string;
  system: string;
  method: string;
  /** The method's options for the field `ets`. */
  options: Record<string, unknown>;
  logprobs: boolean;
  key: string;
}

interface Choice {
  delta: { content?: string; reasoning_content?: string };
  logprobs: { content: Token[] } | null;
  ets?: Partial<Guidance> & { committed?: string; draft?: string; step?: Step };
  finish_reason: string | null;
}
interface Chunk {
  choices?: Choice[];
  error?: { message: string; param?: string | null };
}

/** An error that the server returned, or an interrupted answer. */
class ServerError extends Error {
  readonly param: string | null;

  constructor({ message, param = null }: NonNullable<Chunk["error"]>) {
    super(message);
    this.param = param;
  }
}

/** Fills in `run` and calls `onChange`, until the answer is complete or the signal aborts. */
export async function ask(
  { model, prompt, system, method, options, logprobs, key }: Question,
  run: Run,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      signal,
      headers: {
        "content-type": "application/json",
        ...(key !== "" && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({
        model,
        stream: true,
        messages: [
          ...(system === "" ? [] : [{ role: "system", content: system }]),
          { role: "user", content: prompt },
        ],
        ...(logprobs && { logprobs: true, top_logprobs: 5 }),
        ets: { ...options, method, events: true },
      }),
    });
    if (!response.ok || response.body === null) throw await refusalOf(response);
    run.state = "running";
    onChange();
    for await (const data of eventsOf(response.body)) {
      if (data === "[DONE]") {
        run.state = "done";
        break;
      }
      take(JSON.parse(data) as Chunk, run);
      onChange();
    }
    if (run.state !== "done") throw new Error("The server ended before its answer did");
  } catch (error) {
    run.state = signal.aborted ? "cancelled" : "failed";
    if (!signal.aborted) run.error = error instanceof Error ? error.message : String(error);
    if (error instanceof ServerError) run.param = error.param;
  }
  run.draft = "";
  onChange();
}

function take({ choices = [], error }: Chunk, run: Run): void {
  if (error !== undefined) throw new ServerError(error);
  for (const { delta, logprobs, ets, finish_reason: finish } of choices) {
    run.thoughts += delta.reasoning_content ?? "";
    if (logprobs !== null) run.tokens.push(...logprobs.content);
    if (ets === undefined) continue;
    if (ets.committed !== undefined) {
      run.text += ets.committed;
      run.draft = ets.draft ?? "";
    }
    if (ets.step !== undefined) run.steps.push(ets.step);
    if (finish !== null) run.guidance = ets;
  }
}

async function refusalOf(response: Response): Promise<ServerError> {
  const { error } = (await response.json().catch(() => ({}))) as Chunk;
  return new ServerError(error ?? { message: `The server answered ${response.status}` });
}

/** Yields the data of server-sent events, which may arrive in chunks of any size. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let kept = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (kept + decoder.decode(value, { stream: true })).split("\n\n");
    kept = events.pop() ?? "";
    for (const event of events) {
      const lines = event.split("\n").filter((line) => line.startsWith("data: "));
      if (lines.length > 0) yield lines.map((line) => line.slice("data: ".length)).join("\n");
    }
  }
}
