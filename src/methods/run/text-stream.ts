/** Tells a caller of a run's text while it comes: what is final, and what may still change. */
import { begunLength } from "../../engine/thoughts.js";

/** What became of a run's text since the last update. */
export interface TextUpdate {
  /** The next piece of the text that is final; all of these make up the result's `text`. */
  committed: string;
  /** What follows it at the moment, which may change; "" where nothing is known. */
  draft: string;
  /** The next piece of the thoughts that is final; all of these make up the result's `reasoning`. Absent: no new one. */
  thoughts?: string;
}

/** What stands for bytes that are no character, also those of one that is not whole yet. */
const UNREADABLE = /\uFFFD+$/u;

export class TextStream {
  readonly #onText: (update: TextUpdate) => void;
  readonly #stops: readonly string[];
  #committed = "";
  #draft = "";
  #thoughts = "";

  constructor(onText: (update: TextUpdate) => void, stops: readonly string[]) {
    this.#onText = onText;
    this.#stops = stops;
  }

  /** The beginning of the text is final, but for what may turn out to be part of a stop string. */
  commit(text: string, thoughts: string | null = null): void {
    this.#tell(this.#certain(text), "", thoughts?.replace(UNREADABLE, ""));
  }

  /** The whole text as it stands. One that departs from what is final shows nothing. */
  show(text: string): void {
    const goesOn = text.startsWith(this.#committed);
    this.#tell(this.#committed, goesOn ? text.slice(this.#committed.length) : "");
  }

  /** The text of the result, and its thoughts. */
  end(text: string, thoughts = ""): void {
    this.#tell(text, "", thoughts);
  }

  #tell(text: string, draft: string, thoughts = this.#thoughts): void {
    const added = {
      text: addedTo(this.#committed, text),
      thoughts: addedTo(this.#thoughts, thoughts),
    };
    if (added.text === "" && added.thoughts === "" && draft === this.#draft) return;
    this.#committed += added.text;
    this.#thoughts += added.thoughts;
    this.#draft = draft;
    this.#onText({
      committed: added.text,
      draft,
      ...(added.thoughts !== "" && { thoughts: added.thoughts }),
    });
  }

  /** The text as far as nothing that follows can take away from it. */
  #certain(text: string): string {
    const cuts = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    const whole = text.slice(0, Math.min(text.length, ...cuts)).replace(UNREADABLE, "");
    const begun = Math.max(0, ...this.#stops.map((stop) => begunLength(whole, stop)));
    return whole.slice(0, whole.length - begun);
  }
}

/** What a text has that was not final before; one that is shorter has nothing new. */
function addedTo(known: string, text: string): string {
  if (text.startsWith(known)) return text.slice(known.length);
  if (known.startsWith(text)) return "";
  throw new Error("unreachable: a text departs from what was final of it");
}
