/** The history of questions, which only the browser keeps. */
import { byId, el } from "./dom.js";

export interface Remembered {
  /** The model. Entries of older versions of the page have none. */
  model?: string;
  prompt: string;
  method: string;
  other: string;
  settings: Record<string, string | boolean>;
  answer: string | null;
}

const KEY = "llama-ets-studio/1";
const MOST = 30;

function read(): Remembered[] {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(all) ? all.filter(isRemembered) : [];
  } catch {
    return [];
  }
}

/** Checks a stored entry, since another version or another page of this origin may have written it. */
function isRemembered(value: unknown): value is Remembered {
  const { prompt, method, settings } = (value ?? {}) as Partial<Remembered>;
  const isText = typeof prompt === "string" && typeof method === "string";
  return isText && typeof settings === "object" && settings !== null;
}

function write(all: readonly Remembered[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // The browser's storage may be disabled or full. The page works without the history.
  }
}

export function remember(one: Remembered, onPick: (one: Remembered) => void): void {
  write([one, ...read()].slice(0, MOST));
  drawHistory(onPick);
}

export function forgetAll(onPick: (one: Remembered) => void): void {
  write([]);
  drawHistory(onPick);
}

export function drawHistory(onPick: (one: Remembered) => void): void {
  const all = read();
  const items = all.map((one) => {
    const answer = one.answer ? ` = ${one.answer}` : "";
    const label = `${one.method}${answer} · ${one.prompt.slice(0, 200)}`;
    return el("li", {}, el("button", { type: "button", onclick: () => onPick(one) }, label));
  });
  byId("history", HTMLElement).replaceChildren(...items);
  byId("forget", HTMLElement).hidden = all.length === 0;
}
