import { tellStory } from "../report/run/story.js";
import { readTrace } from "../report/trace.js";
import { formatReplay } from "./replay-output.js";

export async function runReplay(file: string): Promise<void> {
  const trace = await readTrace(file);
  console.log(formatReplay(trace, tellStory(trace)));
}
