/** Renders templates in a thread of its own, which may be ended (`WorkerRenderer`). */
import { parentPort } from "node:worker_threads";
import { Template } from "@huggingface/jinja";
import { messageOf } from "../errors.js";
import { knowPython, type Node } from "./python-forms.js";

/** Characters; as much as llama.cpp's process may reply. */
const MAX_TEXT = 64 << 20;

parentPort?.on("message", ({ template, context }) => {
  parentPort?.postMessage(render(template, context));
});
parentPort?.postMessage("ready");

function render(template: string, context: Record<string, unknown>): object {
  try {
    const program = new Template(template);
    knowPython(program.parsed as unknown as Node);
    const text = program.render(context);
    return text.length > MAX_TEXT ? { isLarge: true } : { text };
  } catch (error) {
    return { error: messageOf(error) };
  }
}
