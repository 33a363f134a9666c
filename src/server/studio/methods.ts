/** Describes the methods and their settings for the page, from the methods' option specs. */

import { BLOCK_KINDS, FINISHES } from "../../methods/options/common.js";
import { COMMON_OPTIONS, GUIDANCE_OPTIONS } from "../../methods/options/common-specs.js";
import type { Flag, OptionSpec } from "../../methods/options/option.js";
import { type AnyMethod, METHOD_NAMES, METHODS } from "../../methods/registry.js";
import { DEFAULT_REWARD, PLAIN_REWARDS } from "../../rewards/named.js";
import { isForRequests } from "../ets-field.js";
import type { Served } from "../model-names.js";

/** One field of the form. */
export interface Setting {
  /** The option that the field sets, or a field of the option: "candidates", "budget.tokens". */
  path: string;
  /** The option's name on the command line: "candidates". */
  label: string;
  /** The option's letter (M, K, I or B), if it has one. */
  letter: string | null;
  help: string;
  kind: "number" | "text" | "texts" | "switch";
  /** Possible values, if they are a few words. A text may also have another value. */
  choices: readonly string[];
}

export interface DescribedMethod {
  name: string;
  summary: string;
  /** Why requests can't use the method; null if they can. */
  refused: string | null;
  settings: Setting[];
}

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  block: BLOCK_KINDS,
  finish: FINISHES,
};
const rewardSetting: Setting = {
  path: "reward",
  label: "reward",
  letter: null,
  kind: "text",
  choices: PLAIN_REWARDS,
  help: `what texts are worth, or a sum: self-consistency+0.5*confidence (default: ${DEFAULT_REWARD})`,
};

const seedSetting: Setting = {
  path: "seed",
  label: "seed",
  letter: null,
  kind: "number",
  choices: [],
  help: "makes the draw reproducible (default: a random one)",
};

/** Returns the methods with the settings that requests to the served model may set. */
export function describeMethods({
  kind,
  hasProposal,
}: Pick<Served, "kind" | "hasProposal">): DescribedMethod[] {
  return METHOD_NAMES.map((name) => {
    const method = METHODS[name];
    return {
      name,
      summary: method.summary,
      refused:
        method.proposal === undefined || hasProposal
          ? null
          : "needs a proposal; this server was started without --proposal",
      settings: settingsOf(method).filter(
        ({ path }) => kind === "diffusion" || !path.startsWith("diffusion."),
      ),
    };
  });
}

function settingsOf({
  own,
  proposal = {},
  potential = {},
  guidance,
  overrides = {},
}: AnyMethod): Setting[] {
  const guided = Object.entries<OptionSpec>(GUIDANCE_OPTIONS).filter(([name]) =>
    (guidance as readonly string[]).includes(name),
  );
  const rest = { ...own, ...proposal, ...potential, ...COMMON_OPTIONS } as Record<
    string,
    OptionSpec
  >;
  const open = [...guided, ...Object.entries(rest)].filter(
    ([name]) => isForRequests(name) && !Object.hasOwn(overrides, name) && name !== "prefixCache",
  );
  return open.flatMap(([name, { flags, letter = null }]) => [
    ...(name === "reward" ? [rewardSetting] : []),
    ...(name === "seed" ? [seedSetting] : []),
    ...flags.flatMap((flag) => settingOf(flag, letter) ?? []),
  ]);
}

/**
 * Returns the field of a flag, or null if the page has no such field. A constraint has its own field, because
 * its value is an object.
 */
function settingOf({ flags, help, kind, path }: Flag, letter: string | null): Setting | null {
  if (kind === "constraint") return null;
  const [, label = path] = /--([\w-]+)/.exec(flags) ?? [];
  return {
    path,
    label: label.replaceAll("-", " "),
    letter,
    help,
    kind: kind === "template" ? "text" : kind,
    choices: CHOICES[path] ?? [],
  };
}
