/** Renders templates in a thread of its own, which may be ended (`WorkerRenderer`). */
import { parentPort } from "node:worker_threads";
import { Template } from "@huggingface/jinja";
import { messageOf } from "../errors.js";
import { knowPython, type Node } from "./python-forms.js";

/** Characters; as much as llama.cpp's process may reply. */
const MAX_TEXT = 64 << 20;

parentPort?.on("message", ({ template, context, date }) => {
  parentPort?.postMessage(render(template, context, date));
});
parentPort?.postMessage("ready");

function render(template: string, context: Record<string, unknown>, date?: string): object {
  try {
    const program = new Template(template);
    knowPython(program.parsed as unknown as Node);
    const text = withClock(date, () => program.render(context));
    return text.length > MAX_TEXT ? { isLarge: true } : { text };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

/** Runs with a day for today, at noon by the local clock: the library's `strftime_now` asks `Date`. */
function withClock<T>(date: string | undefined, run: () => T): T {
  if (date === undefined) return run();
  const noon = new Date(`${date}T12:00:00`);
  const clock = globalThis.Date;
  try {
    globalThis.Date = class extends clock {
      constructor() {
        super(noon);
      }
    } as DateConstructor;
    return run();
  } finally {
    globalThis.Date = clock;
  }
}
