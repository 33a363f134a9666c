/** Draws on a terminal while a command works: a progress bar, and a growing text. */
import { SingleBar } from "cli-progress";

/** Returns whether a stream is a terminal that can move its cursor. */
export function canRedraw(stream: NodeJS.WriteStream = process.stderr): boolean {
  return stream.isTTY === true && process.env.TERM !== "dumb";
}

/** The bar is shown once an operation has taken this long. */
const DELAY_MS = 400;

interface ProgressBar {
  /** `progress` is from 0 to 1. The label stands behind the bar. */
  show(progress: number, label: string): void;
  /** Prints a line above the bar, if there is one. */
  say(line: string): void;
  /** Removes the bar. */
  close(): void;
}

/** Creates a bar on stderr, which only a terminal shows. */
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

/** The number of characters per line, and of lines, that fit on a terminal. */
export interface Room {
  columns: number;
  rows: number;
}

/** Lines that are redrawn in place while a command works, only on a terminal. */
export interface LiveText {
  /** Replaces the lines shown before by a line and the last lines of a text. */
  show(line: string, text: string): void;
  /** As `show`, with lines that depend on the available room. */
  draw(linesFor: (room: Room) => readonly string[]): void;
  /** Removes all lines. */
  close(): void;
}

export function liveText(terminal: NodeJS.WriteStream = process.stderr): LiveText {
  if (!canRedraw(terminal)) return { show: () => {}, draw: () => {}, close: () => {} };
  let shown: readonly string[] = [];
  let drawn = Number.NEGATIVE_INFINITY;
  // A terminal that became narrower has wrapped the lines again. Lines that have scrolled off the screen
  // stay.
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

/** Returns the room without one column and one row for the cursor. A terminal of unknown size reports 0. */
function roomOf({ columns, rows }: NodeJS.WriteStream): Room {
  return {
    columns: columns > 1 ? columns - 1 : DEFAULT_WIDTH,
    rows: rows > 2 ? rows - 1 : rows > 0 ? 2 : DEFAULT_ROWS - 1,
  };
}

/** Wraps a text to the terminal's width and removes control characters. */
function wrap(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => {
    const characters = [...line.replace(/\p{Cc}/gu, " ")];
    const count = Math.max(1, Math.ceil(characters.length / width));
    return Array.from({ length: count }, (_, i) =>
      characters.slice(i * width, (i + 1) * width).join(""),
    );
  });
}
