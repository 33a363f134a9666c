/** Sends a run's text to a caller while it is drawn: the final part, and the part that may still change. */
import { begunLength } from "../../engine/thoughts.js";

/** The change of a run's text since the last update. */
export interface TextUpdate {
  /** The next piece of the text that is final; all of these make up the result's `text`. */
  committed: string;
  /** The text after it at the moment, which may change; "" if it is unknown. */
  draft: string;
  /** The next final piece of the thoughts; all make up the result's `reasoning`. Absent if none is new. */
  thoughts?: string;
}

/** Matches replacement characters at the end: bytes that are not yet a complete character. */
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

  /** Makes a beginning of the text final, except for what may turn out to be part of a stop string. */
  commit(text: string, thoughts: string | null = null): void {
    this.#tell(this.#certain(text), "", thoughts?.replace(UNREADABLE, ""));
  }

  /** Shows the current whole text. A text that doesn't begin with the final part is not shown. */
  show(text: string): void {
    const goesOn = text.startsWith(this.#committed);
    this.#tell(this.#committed, goesOn ? text.slice(this.#committed.length) : "");
  }

  /** Sends the rest of the result's text and thoughts. */
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

  /** The part of the text that no continuation can remove. */
  #certain(text: string): string {
    const cuts = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    const whole = text.slice(0, Math.min(text.length, ...cuts)).replace(UNREADABLE, "");
    const begun = Math.max(0, ...this.#stops.map((stop) => begunLength(whole, stop)));
    return whole.slice(0, whole.length - begun);
  }
}

/** The part of a text after the known part; "" if the text is shorter. */
function addedTo(known: string, text: string): string {
  if (text.startsWith(known)) return text.slice(known.length);
  if (known.startsWith(text)) return "";
  throw new Error("unreachable: a text departs from what was final of it");
}
