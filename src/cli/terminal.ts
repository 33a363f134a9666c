/** What is drawn on a terminal while a command works: a bar, and a text that grows. */
import { SingleBar } from "cli-progress";

/** Whether a stream is a terminal that can move its cursor. */
export function canRedraw(stream: NodeJS.WriteStream = process.stderr): boolean {
  return stream.isTTY === true && process.env.TERM !== "dumb";
}

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
  if (!canRedraw()) return { show: () => {}, say: console.error, close: () => {} };
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
const DEFAULT_ROWS = 24;

/** Characters of a line, and lines, that stand on a terminal at once. */
export interface Room {
  columns: number;
  rows: number;
}

/** Lines that are redrawn in place while something is made, on a terminal only. */
export interface LiveText {
  /** Puts a line and a text's last lines in the place of what was shown a moment before. */
  show(line: string, text: string): void;
  /** As `show`, with lines that are made for the room that there is. */
  draw(linesFor: (room: Room) => readonly string[]): void;
  /** Wipes it out. */
  close(): void;
}

export function liveText(terminal: NodeJS.WriteStream = process.stderr): LiveText {
  if (!canRedraw(terminal)) return { show: () => {}, draw: () => {}, close: () => {} };
  let shown: readonly string[] = [];
  let drawn = Number.NEGATIVE_INFINITY;
  // A terminal that was made narrower has broken the lines anew; what has left the screen stays.
  const wipe = () => {
    const { columns, rows } = roomOf(terminal);
    const used = shown.reduce((sum, line) => sum + Math.ceil((line.length || 1) / columns), 0);
    return used > 0 ? `\x1b[${Math.min(used, rows)}F\x1b[0J` : "";
  };
  const draw = (linesFor: (room: Room) => readonly string[]) => {
    if (performance.now() - drawn < REDRAW_MS) return;
    drawn = performance.now();
    const room = roomOf(terminal);
    const lines = linesFor(room).slice(-room.rows);
    terminal.write(`${wipe()}${lines.join("\n")}\n`);
    shown = lines;
  };
  return {
    draw,
    show: (line, text) =>
      draw(({ columns, rows }) => [
        line,
        ...wrap(text, columns).slice(1 - Math.min(MOST_ROWS, rows)),
      ]),
    close() {
      terminal.write(wipe());
      shown = [];
    },
  };
}

/** Less a column and a row, in which the cursor stands. A terminal that doesn't know its size says 0. */
function roomOf({ columns, rows }: NodeJS.WriteStream): Room {
  return {
    columns: columns > 1 ? columns - 1 : DEFAULT_WIDTH,
    rows: rows > 2 ? rows - 1 : rows > 0 ? 2 : DEFAULT_ROWS - 1,
  };
}

/** Lines no wider than the terminal, without what would move its cursor. */
function wrap(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => {
    const characters = [...line.replace(/\p{Cc}/gu, " ")];
    const count = Math.max(1, Math.ceil(characters.length / width));
    return Array.from({ length: count }, (_, i) =>
      characters.slice(i * width, (i + 1) * width).join(""),
    );
  });
}
