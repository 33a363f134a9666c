/** The thread of the algebra system. It decides whether two expressions are equal, one pair at a time. */
import { parentPort } from "node:worker_threads";
import { ComputeEngine } from "@cortex-js/compute-engine";

/**
 * Expressions with variables are compared at these points. They are irrational, so that no expression is
 * special there.
 */
const POINTS = [0.7390851332, 1.6180339887, 2.2360679775, -0.5772156649, 3.3166247904];
const TOLERANCE = 1e-9;
const MODE = "PROPORTIONAL:";

const engine = new ComputeEngine();
/**
 * These letters are declared as numbers, so that `a(b+c)` is a product. The other letters may be functions.
 */
for (const letter of "abcdjklmnopqrstuvwxyzABCHJKLMNOQRSTUVWXYZ") engine.declare(letter, "number");
type Expression = NonNullable<ReturnType<typeof engine.parse>>;

function compare(a: string, b: string): boolean {
  const isRatio = a.startsWith(MODE);
  const [left, right] = [parse(isRatio ? a.slice(MODE.length) : a), parse(b)];
  if (left === null || right === null) return false;
  const names = [...new Set([...left.unknowns, ...right.unknowns])];
  if (names.length === 0) return !isRatio && left.isEqual(right) === true;
  if (!isRatio && left.isSame(right)) return true;
  const values = POINTS.map((_, i) => [valueAt(left, names, i), valueAt(right, names, i)] as const);
  return isRatio ? haveOneRatio(values) : values.every(([x, y]) => areClose(x, y));
}

function parse(latex: string): Expression | null {
  const expression = engine.parse(latex);
  return expression?.isValid ? expression : null;
}

interface Complex {
  re: number;
  im: number;
}

/** Evaluates an expression at a point, with different values for different variables. */
function valueAt(expression: Expression, names: string[], point: number): Complex {
  const values = names.map((name, i) => {
    const value = POINTS[(point + 2 * i) % POINTS.length] ?? 1;
    return [name, value + i / 7] as const;
  });
  const { re, im } = expression.subs(Object.fromEntries(values)).N();
  return { re, im: Number.isNaN(im) ? 0 : im };
}

/**
 * Returns whether two values are close. Values that are infinite or beyond the range of doubles are close to
 * nothing.
 */
function areClose(x: Complex, y: Complex): boolean {
  const scale = Math.max(1, Math.hypot(x.re, x.im), Math.hypot(y.re, y.im));
  if (scale === Number.POSITIVE_INFINITY) return false;
  return Math.hypot(x.re - y.re, x.im - y.im) <= TOLERANCE * scale;
}

function haveOneRatio(values: (readonly [Complex, Complex])[]): boolean {
  const ratios = values.map(([x, y]) => x.re / y.re);
  const [first = Number.NaN] = ratios;
  return first !== 0 && ratios.every((r) => Math.abs(r - first) <= TOLERANCE * Math.abs(first));
}

parentPort?.on("message", ([a, b]: [string, string]) => {
  let isEqual = false;
  // A scope per pair, so that declarations of one pair don't affect the next.
  engine.pushScope();
  try {
    isEqual = compare(a, b);
  } catch {
    // An expression that can't be evaluated counts as not equal.
  } finally {
    engine.popScope();
  }
  parentPort?.postMessage(isEqual);
});
// Warm-up: the first pairs take a second each, which would count against the time limit of real pairs.
for (const pair of ["(x-1)(x+1)", "\\frac{\\sqrt{12}}{2}+\\sin 2", "2^{3}i"])
  compare(pair, "x^2-1");
compare("\\sqrt{12}", "2\\sqrt{3}");
parentPort?.postMessage("ready");
