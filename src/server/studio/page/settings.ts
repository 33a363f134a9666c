/** The form of a method's settings, built from the server's description. */
import type { DescribedMethod, Setting } from "../methods.js";
import { byId, el } from "./dom.js";

export type { DescribedMethod };

/** The typed values by the path of their option. They stay when another method is chosen. */
const typed = new Map<string, string | boolean>();

export function typedSettings(): Record<string, string | boolean> {
  return Object.fromEntries(typed);
}

export function restoreSettings(values: Record<string, string | boolean>): void {
  typed.clear();
  for (const [path, value] of Object.entries(values)) typed.set(path, value);
}

export function drawSettings({ settings }: DescribedMethod): void {
  const isBudget = ({ path }: Setting) => path.startsWith("budget.");
  const [budget, others] = [byId("budget", HTMLElement), byId("settings", HTMLElement)];
  budget.replaceChildren(...settings.filter(isBudget).map(row));
  others.replaceChildren(...settings.filter((one) => !isBudget(one)).map(row));
}

function row(setting: Setting): HTMLElement {
  const { path, label, letter, help } = setting;
  const id = `set-${path.replaceAll(".", "-")}`;
  const field = setting.kind === "switch" ? toggle(path) : input(setting, id);
  field.id = id;
  field.setAttribute("aria-describedby", `${id}-help`);
  const name = el("label", {}, label, letter !== null && el("kbd", {}, ` ${letter}`));
  name.htmlFor = id;
  const note = el("small", {}, help);
  note.id = `${id}-help`;
  return el("div", { class: "setting" }, name, field, note, suggestions(setting, id));
}

function toggle(path: string): HTMLInputElement {
  const field = el("input", { type: "checkbox" });
  field.checked = typed.get(path) === true;
  field.addEventListener("change", () => typed.set(path, field.checked));
  return field;
}

function input({ path, kind, choices }: Setting, id: string): HTMLInputElement {
  const field = el("input", { type: "text" });
  if (kind === "number") field.inputMode = "decimal";
  if (choices.length > 0) field.setAttribute("list", `${id}-choices`);
  field.value = String(typed.get(path) ?? "");
  field.placeholder = "default";
  field.addEventListener("input", () => typed.set(path, field.value));
  return field;
}

function suggestions({ choices }: Setting, id: string): HTMLElement | null {
  if (choices.length === 0) return null;
  const list = el("datalist", {}, ...choices.map((choice) => new Option(choice, choice)));
  list.id = `${id}-choices`;
  return list;
}

/** Returns the typed options that a method takes. Throws if a number is invalid. */
export function optionsOf({ settings }: DescribedMethod): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { path, kind, label } of settings) {
    const value = typed.get(path);
    if (value === undefined || value === false || String(value).trim() === "") continue;
    const [name = "", inner] = path.split(".");
    const read = readValue(value, kind, label);
    options[name] = inner === undefined ? read : { ...(options[name] as object), [inner]: read };
  }
  return options;
}

function readValue(value: string | boolean, kind: Setting["kind"], label: string): unknown {
  if (typeof value === "boolean") return value;
  if (kind === "texts") return [value];
  if (kind !== "number") return value.trim();
  const number = Number(value.trim().replace(",", "."));
  if (Number.isFinite(number)) return number;
  throw new Error(`Expected a number for ${label}, got ${value}`);
}
