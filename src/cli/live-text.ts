/** A text that is redrawn in place while it is made, on a terminal only. */

const MOST_ROWS = 12;
const DEFAULT_WIDTH = 79;

export interface LiveText {
  /** Puts a line and the text below it in the place of what was shown before. */
  show(line: string, text: string): void;
  /** Wipes it out. */
  close(): void;
}

export function liveText(terminal: NodeJS.WriteStream = process.stderr): LiveText {
  if (!terminal.isTTY) return { show: () => {}, close: () => {} };
  let rows = 0;
  const wipe = () => (rows > 0 ? `\x1b[${rows}F\x1b[0J` : "");
  return {
    show(line, text) {
      const shown = [line, ...wrap(text, terminal.columns)].slice(0, MOST_ROWS);
      terminal.write(`${wipe()}${shown.join("\n")}\n`);
      rows = shown.length;
    },
    close() {
      terminal.write(wipe());
      rows = 0;
    },
  };
}

/** Lines no wider than the terminal, without what would move its cursor. */
function wrap(text: string, columns: number): string[] {
  // 0 where the terminal doesn't say.
  const width = columns > 1 ? columns - 1 : DEFAULT_WIDTH;
  return text.split("\n").flatMap((line) => {
    const characters = [...line.replace(/\p{Cc}/gu, " ")];
    const count = Math.max(1, Math.ceil(characters.length / width));
    return Array.from({ length: count }, (_, i) =>
      characters.slice(i * width, (i + 1) * width).join(""),
    );
  });
}
