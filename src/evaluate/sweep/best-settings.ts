/** Finds the best settings of a sweep and measures them on items that had no part in the choice. */
import { createHash } from "node:crypto";
import type { MethodName } from "../../methods/registry.js";
import { type Interval, wilsonInterval } from "../statistics/wilson.js";
import { gradedOf, isFailed, type Sample } from "../store/run-files.js";
import type { SweepMethod } from "./sweep-config.js";

/** The accuracy of a setting on some of the items. */
export interface HalfScore {
  items: number;
  /** Mean over the items, from 0 to 1. */
  accuracy: number;
  /** Wilson's 95% interval with an item as a trial. */
  ci95: Interval;
}

export interface SweepSetting {
  name: string;
  method: MethodName | "auto";
  varied: SweepMethod["varied"];
  /** Over all items; null if no sample was drawn. */
  all: HalfScore | null;
  /** Mean generated tokens per sample, including those of a proposal. */
  generated: number;
  /** Mean seconds per sample. */
  seconds: number;
}

/** The setting of a method that is best on one half of the items, and its accuracy on the other half. */
export interface BestSetting {
  method: MethodName | "auto";
  name: string;
  chosenBy: HalfScore;
  heldOut: HalfScore;
}

/**
 * Returns whether an item is used to choose settings or to measure them. A hash of its name decides, so it is
 * the same in every sweep.
 */
export function choosesSettings(item: string): boolean {
  return (createHash("sha256").update(item).digest()[0] as number) % 2 === 0;
}

export function scoreSettings(
  methods: readonly SweepMethod[],
  samples: readonly Sample[],
): SweepSetting[] {
  return methods.map(({ name, method, varied }) => {
    const own = samples.filter((sample) => sample.method === name);
    const drawn = gradedOf(own);
    const mean = (of: (sample: (typeof drawn)[number]) => number) =>
      drawn.reduce((sum, sample) => sum + of(sample), 0) / Math.max(1, drawn.length);
    return {
      name,
      method,
      varied,
      all: scoreOf(own),
      generated: mean(
        ({ usage, proposalUsage }) => usage.generated + (proposalUsage?.generated ?? 0),
      ),
      seconds: mean(({ usage }) => usage.ms / 1000),
    };
  });
}

/**
 * Returns for each method its best setting on the choosing items, with its accuracy on the other items. On a
 * tie the setting with fewer tokens wins. Methods without items in one half are left out.
 */
export function bestSettings(
  settings: readonly SweepSetting[],
  samples: readonly Sample[],
): BestSetting[] {
  const methods = [...new Set(settings.map(({ method }) => method))];
  return methods.flatMap((method) => {
    const scored = settings
      .filter((setting) => setting.method === method)
      .flatMap((setting) => {
        const own = samples.filter((sample) => sample.method === setting.name);
        const chosenBy = scoreOf(own.filter(({ item }) => choosesSettings(item)));
        const heldOut = scoreOf(own.filter(({ item }) => !choosesSettings(item)));
        return chosenBy === null || heldOut === null ? [] : [{ setting, chosenBy, heldOut }];
      });
    const [best] = scored.toSorted(
      (a, b) =>
        b.chosenBy.accuracy - a.chosenBy.accuracy || a.setting.generated - b.setting.generated,
    );
    if (best === undefined) return [];
    const { setting, chosenBy, heldOut } = best;
    return [{ method, name: setting.name, chosenBy, heldOut }];
  });
}

/**
 * Returns the mean accuracy over items. An item's accuracy is the share of its samples that are right,
 * without failed samples.
 */
function scoreOf(samples: readonly Sample[]): HalfScore | null {
  const byItem = new Map<string, boolean[]>();
  for (const sample of samples) {
    if (isFailed(sample)) continue;
    byItem.set(sample.item, [...(byItem.get(sample.item) ?? []), sample.correct]);
  }
  if (byItem.size === 0) return null;
  const shares = [...byItem.values()].map((own) => own.filter(Boolean).length / own.length);
  const right = shares.reduce((sum, share) => sum + share, 0);
  return {
    items: byItem.size,
    accuracy: right / byItem.size,
    ci95: wilsonInterval(right, byItem.size),
  };
}
