/** Targets that are a power of the reference policy. */
import { LlamaEtsError } from "../engine/errors.js";
import { numberOption } from "./options/option.js";
import type { Resolved } from "./options/settings.js";

/** α of the target p_ref^α, from 1 to 100. */
export function alphaOption(fallback: number) {
  return numberOption("alpha", {
    min: 1,
    max: 100,
    fallback,
    flags: "--alpha <x>",
    help: "power, particle: samples from p^x (default: power 4, particle 1)",
  });
}

/** Below this temperature the engine's sampler overflows. */
const MIN_TEMPERATURE = 0.001;

/** Throws `ERR_INVALID_OPTION` for a temperature and a power that no token can be drawn at. */
export function checkSharpened({
  policy,
  own: { alpha },
}: Resolved<{ readonly alpha: number }>): void {
  const { temperature } = policy.sampling;
  if (temperature === 0 || temperature / alpha >= MIN_TEMPERATURE) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`temperature\` / \`alpha\`, at which tokens are drawn, to be at least ${MIN_TEMPERATURE}, got ${temperature / alpha}`,
    { fix: `temperature: ${MIN_TEMPERATURE * alpha}` },
  );
}
