/** Renders templates in a separate thread, which `WorkerRenderer` can terminate. */
import { parentPort } from "node:worker_threads";
import { Template } from "@huggingface/jinja";
import { messageOf } from "../errors.js";
import { CLOCK, knowPython, type Node } from "./python-forms.js";
import { strftime } from "./strftime.js";

/** The most characters of a text: the same limit as for replies of llama.cpp's process. */
const MAX_TEXT = 64 << 20;

parentPort?.on("message", ({ template, context, date }) => {
  parentPort?.postMessage(render(template, context, date));
});
parentPort?.postMessage("ready");

function render(template: string, context: Record<string, unknown>, date?: string): object {
  try {
    const program = new Template(template);
    knowPython(program.parsed as unknown as Node);
    // For a given day, the time is noon in the local time zone.
    const now = () => (date === undefined ? new Date() : new Date(`${date}T12:00:00`));
    const own = { [CLOCK]: (format: string) => strftime(now(), format) };
    const text = program.render({ ...context, ...own });
    return text.length > MAX_TEXT ? { isLarge: true } : { text };
  } catch (error) {
    return { error: messageOf(error) };
  }
}
