/** The studio: asks this server's models, and shows how answers were found. */
import { ask, type Question } from "./ask.js";
import {
  allowConstraint,
  readConstraint,
  restoreConstraint,
  showConstraintFault,
  startConstraint,
  typedConstraint,
} from "./constraint.js";
import { byId } from "./dom.js";
import { drawHistory, forgetAll, type Remembered, remember } from "./history.js";
import { newRun } from "./run.js";
import { RunView } from "./run-view.js";
import {
  type DescribedMethod,
  drawSettings,
  optionsOf,
  restoreSettings,
  typedSettings,
} from "./settings.js";
import { readTrace } from "./trace-file.js";

interface DescribedModel {
  name: string;
  /** The description in the model's file. */
  description: string;
  parameters: number;
  contextLength: number;
  kind: "autoregressive" | "diffusion";
  methods: DescribedMethod[];
}

interface About {
  version: string;
  needsKey: boolean;
  /** The served models, at least one. */
  models: DescribedModel[];
}

const form = byId("form", HTMLFormElement);
const prompt = byId("prompt", HTMLTextAreaElement);
const system = byId("system", HTMLTextAreaElement);
const served = byId("served", HTMLSelectElement);
const method = byId("method", HTMLSelectElement);
const other = byId("other", HTMLSelectElement);
const key = byId("key", HTMLInputElement);
const logprobs = byId("logprobs", HTMLInputElement);
const askButton = byId("ask", HTMLButtonElement);
const cancelButton = byId("cancel", HTMLButtonElement);
const runs = byId("runs", HTMLElement);
const status = byId("status", HTMLElement);

let about: About;
/** The chosen model. */
let model: DescribedModel;
let running: AbortController | undefined;

function methodNamed(name: string): DescribedMethod | undefined {
  return model.methods.find((one) => one.name === name);
}

function chooseMethod(): void {
  const chosen = methodNamed(method.value);
  if (chosen === undefined) return;
  byId("summary", HTMLElement).textContent = chosen.summary;
  drawSettings(chosen);
}

/**
 * Replaces all options of a select except the first `kept`. The chosen option stays chosen if it still
 * exists.
 */
function fillMethods(select: HTMLSelectElement, kept: number): void {
  const chosen = select.value;
  select.length = kept;
  for (const { name, refused } of model.methods) {
    const option = new Option(refused === null ? name : `${name} (${refused})`, name);
    option.disabled = refused !== null;
    select.add(option);
  }
  if (methodNamed(chosen)?.refused === null) select.value = chosen;
}

/** Chooses the model that the form names. */
function chooseModel(): void {
  const chosen = about.models.find(({ name }) => name === served.value);
  if (chosen === undefined) return;
  model = chosen;
  const { name, description, parameters, contextLength, kind } = model;
  // llama.cpp names only some model sizes, so the "?B" of the others is removed.
  const size = `${millions(parameters)} parameters, ${contextLength} tokens of context`;
  byId("model", HTMLElement).textContent =
    `${name} (${description.replace(" ?B", "")}: ${size}), llama-ets ${about.version}`;
  allowConstraint(kind === "autoregressive");
  // A diffusion model has no left-to-right order, so its tokens have no alternatives.
  logprobs.checked = kind === "autoregressive";
  fillMethods(method, 0);
  fillMethods(other, 1);
  chooseMethod();
}

/** Returns whether the answers stand below the form. */
function isNarrow(): boolean {
  return matchMedia("(max-width: 900px)").matches;
}

function show(views: readonly RunView[]): void {
  runs.replaceChildren(...views.map(({ element }) => element));
}

async function askAll(): Promise<void> {
  if (running !== undefined || prompt.value.trim() === "") return;
  const asked = [method.value, other.value].filter((name) => name !== "");
  showConstraintFault(null);
  const constraint = readConstraint();
  if (constraint === null) return;
  let questions: Question[];
  try {
    questions = asked.map((name) => ({
      model: model.name,
      prompt: prompt.value,
      system: system.value.trim(),
      method: name,
      options: { ...optionsOf(methodNamed(name) as DescribedMethod), ...constraint },
      logprobs: logprobs.checked,
      key: key.value,
    }));
  } catch (error) {
    status.textContent = (error as Error).message;
    return;
  }
  // Copies the form, since the user may edit it meanwhile.
  const asking = { model: model.name, prompt: prompt.value };
  const methods = { method: method.value, other: other.value };
  const settings = { ...typedSettings(), ...typedConstraint() };
  running = new AbortController();
  askButton.disabled = true;
  cancelButton.disabled = false;
  status.textContent = "Asking …";
  const all = questions.map((question) => newRun(question.method, question.prompt));
  const views = all.map((run) => new RunView(run));
  show(views);
  if (isNarrow()) runs.scrollIntoView();
  // The questions run one after the other, so that their times can be compared.
  for (const [i, question] of questions.entries()) {
    const [run, view] = [all[i], views[i]];
    if (run === undefined || view === undefined) break;
    await ask(question, run, () => view.update(), running.signal);
    view.draw();
  }
  const refused = all.find(({ param }) => param === "ets.constraint");
  if (refused !== undefined) showConstraintFault(refused.error);
  const ends = new Set(all.map(({ state }) => state));
  status.textContent = ends.has("failed") ? "Failed" : ends.has("cancelled") ? "Cancelled" : "Done";
  running = undefined;
  askButton.disabled = false;
  cancelButton.disabled = true;
  remember({ ...asking, ...methods, settings, answer: all[0]?.guidance?.answer ?? null }, pick);
}

function cancel(): void {
  running?.abort();
}

function pick(one: Remembered): void {
  prompt.value = one.prompt;
  if (one.model !== model.name && about.models.some(({ name }) => name === one.model)) {
    served.value = one.model as string;
    chooseModel();
  }
  const known = methodNamed(one.method);
  if (known?.refused === null) method.value = one.method;
  other.value = methodNamed(one.other ?? "")?.refused === null ? one.other : "";
  restoreSettings(one.settings);
  restoreConstraint(one.settings);
  chooseMethod();
  prompt.focus();
}

async function openTrace(file: File | undefined): Promise<void> {
  if (file === undefined) return;
  status.textContent = `Opening ${file.name} …`;
  try {
    show([new RunView(await readTrace(file))]);
    if (isNarrow()) runs.scrollIntoView();
    status.textContent = `Opened ${file.name}`;
  } catch (error) {
    status.textContent = (error as Error).message;
  }
}

function listen(): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    askAll();
  });
  cancelButton.addEventListener("click", cancel);
  served.addEventListener("change", chooseModel);
  method.addEventListener("change", chooseMethod);
  byId("forget", HTMLElement).addEventListener("click", () => forgetAll(pick));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") cancel();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      askAll();
    }
  });
  const trace = byId("trace", HTMLInputElement);
  trace.addEventListener("change", () => openTrace(trace.files?.[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openTrace(event.dataTransfer?.files[0]);
  });
}

function millions(count: number): string {
  const [unit, name] = count >= 1e9 ? [1e9, "billion"] : [1e6, "million"];
  return `${(count / unit).toFixed(count >= 1e9 || count < 1e7 ? 1 : 0)} ${name}`;
}

async function start(): Promise<void> {
  const response = await fetch("/studio/methods");
  about = (await response.json()) as About;
  for (const { name } of about.models) served.add(new Option(name, name));
  byId("served-row", HTMLElement).hidden = about.models.length === 1;
  byId("key-row", HTMLElement).hidden = !about.needsKey;
  startConstraint();
  byId("settings-part", HTMLDetailsElement).open = !isNarrow();
  chooseModel();
  drawHistory(pick);
  listen();
  prompt.focus();
}

start().catch((error: unknown) => {
  status.textContent = `The studio could not start: ${String(error)}`;
});
