// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Replaces the characters that would control a terminal. */
export function printable(text: string): string {
  return text.replace(STEERING, "\ufffd");
}
