/** What is drawn on a terminal while a command works: a bar, and a text that grows. */
import { SingleBar } from "cli-progress";

/** The bar is shown once an operation has taken this long. */
const DELAY_MS = 400;

interface ProgressBar {
  /** `progress` from 0 to 1; the label stands behind the bar. */
  show(progress: number, label: string): void;
  /** Prints a line, in the bar's place where there is one. */
  say(line: string): void;
  /** Removes the bar. */
  close(): void;
}

/** A bar on stderr, on a terminal only. */
export function progressBar(): ProgressBar {
  if (!process.stderr.isTTY) return { show: () => {}, say: console.error, close: () => {} };
  const started = performance.now();
  const bar = new SingleBar({
    format: "{bar} {percentage}%  {label}",
    stream: process.stderr,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
  });
  let isOpen = false;
  return {
    show(progress, label) {
      if (performance.now() - started < DELAY_MS) return;
      if (!isOpen) bar.start(100, 0, { label });
      isOpen = true;
      bar.update(Math.floor(progress * 100), { label });
    },
    say(line) {
      this.close();
      console.error(line);
    },
    close() {
      if (isOpen) bar.stop();
      isOpen = false;
    },
  };
}

const MOST_ROWS = 12;
const REDRAW_MS = 50;
const DEFAULT_WIDTH = 79;

/** A text that is redrawn in place while it is made, on a terminal only. */
export interface LiveText {
  /** Puts a line and the text's last lines in the place of what was shown a moment before. */
  show(line: string, text: string): void;
  /** Wipes it out. */
  close(): void;
}

export function liveText(terminal: NodeJS.WriteStream = process.stderr): LiveText {
  if (!terminal.isTTY) return { show: () => {}, close: () => {} };
  let rows = 0;
  let drawn = Number.NEGATIVE_INFINITY;
  const wipe = () => (rows > 0 ? `\x1b[${rows}F\x1b[0J` : "");
  return {
    show(line, text) {
      if (performance.now() - drawn < REDRAW_MS) return;
      drawn = performance.now();
      const shown = [line, ...wrap(text, terminal.columns).slice(1 - MOST_ROWS)];
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
  // A terminal that doesn't know its width says 0.
  const width = columns > 1 ? columns - 1 : DEFAULT_WIDTH;
  return text.split("\n").flatMap((line) => {
    const characters = [...line.replace(/\p{Cc}/gu, " ")];
    const count = Math.max(1, Math.ceil(characters.length / width));
    return Array.from({ length: count }, (_, i) =>
      characters.slice(i * width, (i + 1) * width).join(""),
    );
  });
}
