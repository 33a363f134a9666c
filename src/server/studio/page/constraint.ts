/** The form field of a constraint, with its error message. */
import { byId } from "./dom.js";

interface Kind {
  label: string;
  help: string;
  /** Converts the typed text to the constraint's value. Throws the error that the field shows. */
  read(text: string): unknown;
}

const KINDS: Readonly<Record<string, Kind>> = {
  json: {
    label: "JSON by a schema",
    help: 'A JSON Schema, such as {"type": "integer"}',
    read(text) {
      try {
        return JSON.parse(text) as unknown;
      } catch (error) {
        throw new Error(`Expected a JSON Schema: ${(error as Error).message}`);
      }
    },
  },
  regex: {
    label: "a match of a regular expression",
    help: "All of the answer matches it, such as \\d+ (apples|pears)",
    read: (text) => text,
  },
  choices: {
    label: "one of several texts",
    help: "The texts, one a line",
    read: (text) => text.split("\n").filter((line) => line !== ""),
  },
  words: { label: "a number of words", help: "Their number, from 1 to 500", read: readCount },
  lines: { label: "a number of lines", help: "Their number, from 1 to 500", read: readCount },
  grammar: {
    label: "text by a grammar",
    help: 'In GBNF, such as root ::= "yes" | "no"',
    read: (text) => text,
  },
};

/** The paths under which the settings remember the typed constraint. */
const [KIND_PATH, TEXT_PATH] = ["constraint.kind", "constraint.text"];

const part = byId("constraint-part", HTMLDetailsElement);
const kind = byId("constraint-kind", HTMLSelectElement);
const field = byId("constraint", HTMLTextAreaElement);
const fault = byId("constraint-error", HTMLElement);

function readCount(text: string): number {
  if (/^\s*\d+\s*$/.test(text)) return Number(text);
  throw new Error(`Expected a number, got ${JSON.stringify(text)}`);
}

function draw(): void {
  const chosen = KINDS[kind.value];
  byId("constraint-row", HTMLElement).hidden = chosen === undefined;
  byId("constraint-help", HTMLElement).textContent = chosen?.help ?? "";
  showConstraintFault(null);
}

/**
 * Shows or hides the field. A diffusion model takes no constraint, because it doesn't write from left to
 * right.
 */
export function allowConstraint(isPossible: boolean): void {
  part.hidden = !isPossible;
}

export function startConstraint(): void {
  for (const [name, { label }] of Object.entries(KINDS)) kind.add(new Option(label, name));
  kind.addEventListener("change", draw);
  field.addEventListener("input", () => showConstraintFault(null));
  draw();
}

export function showConstraintFault(message: string | null): void {
  fault.hidden = message === null;
  fault.textContent = message;
  field.setAttribute("aria-invalid", String(message !== null));
  if (message === null) return;
  part.open = true;
  field.focus();
}

/**
 * Returns the constraint for a request. For an invalid one it shows an error at the field and returns null.
 */
export function readConstraint(): { constraint?: object } | null {
  const chosen = KINDS[kind.value];
  if (chosen === undefined || part.hidden) return {};
  try {
    return { constraint: { [kind.value]: chosen.read(field.value) } };
  } catch (error) {
    showConstraintFault((error as Error).message);
    return null;
  }
}

export function typedConstraint(): Record<string, string> {
  return { [KIND_PATH]: kind.value, [TEXT_PATH]: field.value };
}

export function restoreConstraint(typed: Readonly<Record<string, string | boolean>>): void {
  const name = String(typed[KIND_PATH] ?? "");
  kind.value = Object.hasOwn(KINDS, name) ? name : "";
  field.value = String(typed[TEXT_PATH] ?? "");
  part.open = kind.value !== "";
  draw();
}
