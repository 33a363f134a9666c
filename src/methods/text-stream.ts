/** Tells a caller of a run's text while it comes: what is final, and what may still change. */

/** What became of a run's text since the last update. */
export interface TextUpdate {
  /** The next piece of the text that is final; all of these make up the result's `text`. */
  committed: string;
  /** What follows it at the moment, which may change; "" where nothing is known. */
  draft: string;
}

/** What stands for bytes that are no character, also those of one that is not whole yet. */
const UNREADABLE = /\uFFFD+$/u;

export class TextStream {
  readonly #onText: (update: TextUpdate) => void;
  readonly #stops: readonly string[];
  #committed = "";
  #draft = "";

  constructor(onText: (update: TextUpdate) => void, stops: readonly string[]) {
    this.#onText = onText;
    this.#stops = stops;
  }

  /** The beginning of the text is final, but for what may turn out to be part of a stop string. */
  commit(text: string): void {
    this.#tell(this.#certain(text), "");
  }

  /** The whole text as it stands. One that departs from what is final shows nothing. */
  show(text: string): void {
    const goesOn = text.startsWith(this.#committed);
    this.#tell(this.#committed, goesOn ? text.slice(this.#committed.length) : "");
  }

  /** The text of the result. */
  end(text: string): void {
    this.#tell(text, "");
  }

  #tell(text: string, draft: string): void {
    if (!text.startsWith(this.#committed)) {
      // What was committed first goes on as it was: a text that is shorter has nothing new.
      if (this.#committed.startsWith(text)) return;
      throw new Error("unreachable: a text departs from what was final of it");
    }
    const committed = text.slice(this.#committed.length);
    if (committed === "" && draft === this.#draft) return;
    this.#committed = text;
    this.#draft = draft;
    this.#onText({ committed, draft });
  }

  /** The text as far as nothing that follows can take away from it. */
  #certain(text: string): string {
    const cuts = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    const whole = text.slice(0, Math.min(text.length, ...cuts)).replace(UNREADABLE, "");
    const begun = Math.max(0, ...this.#stops.map((stop) => begunLength(whole, stop)));
    return whole.slice(0, whole.length - begun);
  }
}

/** How much of the text's end is a beginning of the stop string. */
function begunLength(text: string, stop: string): number {
  let length = Math.min(stop.length - 1, text.length);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return Math.max(0, length);
}
