/** Markup that is safe by construction: a template escapes its values, unless they are markup already. */

export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type Value = Html | string | number | null | undefined | false | readonly Value[];

/**
 * A template that escapes its values, for text and for quoted attributes. It joins arrays, and leaves out
 * null, undefined and false.
 *
 * @example html`<p title="${anything}">${paragraphs.map((p) => html`<b>${p}</b>`)}</p>`
 */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  const parts = strings.map((text, i) => text + (i < values.length ? toMarkup(values[i]) : ""));
  return new Html(parts.join(""));
}

function toMarkup(value: Value): string {
  if (value instanceof Html) return value.markup;
  if (value === null || value === undefined || value === false) return "";
  if (typeof value === "object") return value.map(toMarkup).join("");
  return escapeMarkup(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeMarkup(text: string): string {
  return withoutForbidden(text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string));
}

/** Replaces each character that is forbidden in documents by Unicode's picture of it, or by U+FFFD. */
export function withoutForbidden(markup: string): string {
  return markup.replace(FORBIDDEN, pictureOf);
}

/** The characters that HTML and XML forbid: most control characters, lone surrogates and noncharacters. */
const FORBIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff\p{Surrogate}]/gu;

/** Returns Unicode's picture of a control character, such as ␀ for NUL. */
function pictureOf(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : "�";
}
