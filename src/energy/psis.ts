/**
 * Pareto-smoothed importance sampling: Vehtari, Simpson, Gelman, Yao and Gabry, "Pareto smoothed
 * importance sampling" (JMLR 2024). The largest weights are replaced by order statistics of a generalized
 * Pareto distribution that is fitted to them. Above a shape k̂ of 0.7 the weights can't be trusted.
 */

export interface SmoothedWeights {
  /** The input with its largest weights smoothed. */
  logWeights: number[];
  /**
   * Shape of the tail. It is 0 if there is no tail, for example with equal weights, and null if there are
   * too few weights for a fit: fewer than 21, or fewer than 5 above the cutoff.
   */
  khat: number | null;
}

/** The smallest number of tail weights for a fit. */
const MIN_TAIL = 5;
/**
 * If the cutoff is within this share of the largest weight, there is no tail. Log ratios of equal weights
 * differ by rounding errors of the models' arithmetic, and a fit would report the shape of these errors.
 */
const ROUNDING = 0.05;
/** The smallest normal double. Weights below it, relative to the largest weight, don't belong to the tail. */
const SMALLEST_CUTOFF = 2 ** -1022;

/**
 * Smooths the largest min(S / 5, 3 √S) of S weights. The next largest weight is the cutoff, and only
 * weights strictly above it are smoothed.
 */
export function smoothWeights(logWeights: readonly number[]): SmoothedWeights {
  const size = logWeights.length;
  const tail = Math.ceil(Math.min(size / 5, 3 * Math.sqrt(size)));
  if (tail < MIN_TAIL) return { logWeights: [...logWeights], khat: null };
  const order = [...logWeights.keys()].sort((a, b) => at(logWeights, a) - at(logWeights, b));
  const largest = at(logWeights, order[size - 1] as number);
  const relative = Math.exp(at(logWeights, order[size - tail - 1] as number) - largest);
  const cutoff = Math.max(relative, SMALLEST_CUTOFF);
  if (1 - cutoff <= ROUNDING) return { logWeights: [...logWeights], khat: 0 };
  const tailIndices = order.filter((i) => Math.exp(at(logWeights, i) - largest) > cutoff);
  if (tailIndices.length < MIN_TAIL) return { logWeights: [...logWeights], khat: null };
  const exceedances = tailIndices.map((i) => Math.exp(at(logWeights, i) - largest) - cutoff);
  const { shape, scale } = fitGeneralisedPareto(exceedances);
  const smoothed = [...logWeights];
  for (const [j, index] of tailIndices.entries()) {
    const quantile = cutoff + paretoQuantile((j + 0.5) / tailIndices.length, shape, scale);
    smoothed[index] = Math.min(Math.log(quantile), 0) + largest; // never above the largest weight
  }
  return { logWeights: smoothed, khat: shape };
}

function paretoQuantile(p: number, shape: number, scale: number): number {
  const log = Math.log1p(-p);
  return Math.abs(shape) < 1e-12 ? -scale * log : (scale * Math.expm1(-shape * log)) / shape;
}

/**
 * The fit of Zhang and Stephens (2009), with the weak prior on the shape of Vehtari et al., which has the
 * weight of ten observations with k = 0.5.
 *
 * @param exceedances the amounts above the cutoff; ascending, at least 0
 */
export function fitGeneralisedPareto(exceedances: readonly number[]): {
  shape: number;
  scale: number;
} {
  const n = exceedances.length;
  const largest = at(exceedances, n - 1);
  const quartile = Math.max(at(exceedances, Math.floor(n / 4 + 0.5) - 1), largest * 1e-12);
  const grid = 30 + Math.floor(Math.sqrt(n));
  const shapeAt = (theta: number) =>
    exceedances.reduce((sum, x) => sum + Math.log1p(-theta * x), 0) / n;
  const thetas = Array.from(
    { length: grid },
    (_, j) => 1 / largest + (1 - Math.sqrt(grid / (j + 0.5))) / (3 * quartile),
  );
  // θ = 0 is the exponential distribution, whose shape is 0.
  const mean = exceedances.reduce((sum, x) => sum + x, 0) / n;
  const scaleAt = (theta: number, shape: number) => (theta === 0 ? mean : -shape / theta);
  const logLikelihoods = thetas.map((theta) => {
    const shape = shapeAt(theta);
    return n * (-Math.log(scaleAt(theta, shape)) - shape - 1);
  });
  const best = Math.max(...logLikelihoods);
  const weights = logLikelihoods.map((l) => Math.exp(l - best));
  const total = weights.reduce((a, b) => a + b, 0);
  const theta = thetas.reduce((sum, t, j) => sum + t * at(weights, j), 0) / total;
  const shape = shapeAt(theta);
  return { shape: (n * shape + 10 * 0.5) / (n + 10), scale: scaleAt(theta, shape) };
}

function at(values: readonly number[], index: number): number {
  return values[index] as number;
}
