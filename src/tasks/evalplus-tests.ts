/**
 * Generates EvalPlus' tests in Python: a program must return the reference's result on every input of a row.
 */

interface TestedRow {
  kind: "humaneval+" | "mbpp+";
  /** The row's original JSON, because JavaScript would round its long numbers. */
  source: string;
  prompt: string;
  solution: string;
  entryPoint: string;
}

/** Returns Python code that defines `check(candidate)`. */
export function differentialTests({
  kind,
  source,
  prompt,
  solution,
  entryPoint,
}: TestedRow): string {
  const isMbpp = kind === "mbpp+";
  // A JSON string is also a valid Python string.
  const values = {
    ROW: source,
    REFERENCE: isMbpp ? solution : prompt + solution,
    NAME: entryPoint,
  };
  const lines = Object.entries(values).map(([name, text]) => `${name} = ${JSON.stringify(text)}`);
  return [...lines, `MBPP = ${isMbpp ? "True" : "False"}`, TESTS].join("\n");
}

/**
 * The tests by the rules of EvalPlus 0.3.1, for types that JSON can't express, tolerances, and tasks with
 * special checks.
 */
const TESTS = `
import copy, json, math, sys
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
row = json.loads(ROW)

def ids(text):
    return {int(word) for word in text.split()}

def all_tuples(value):
    return tuple(map(all_tuples, value)) if isinstance(value, list) else value

def tuples(values):
    return [tuple(value) for value in values]

SHAPES = [
    (ids("2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809"),
     lambda a: tuples(a)),
    (ids("63 64 70 94 120 237 272 299 400 409 417 438 473 614 780"), lambda a: [tuples(x) for x in a]),
    (ids("75 413 444 753"), lambda a: [tuples(a[0]), a[1]]),
    (ids("106 750"), lambda a: [a[0], tuple(a[1])]),
    (ids("115"), lambda a: [[set(x) if isinstance(x, list) and x else {} for x in a[0]]]),
    (ids("124"), lambda a: [float(a[0]), complex(a[1])]),
    (ids("250 405 446 617 720 763 808"), lambda a: [tuple(a[0]), a[1]]),
    (ids("259 401 445"), lambda a: [tuple(tuples(x)) for x in a]),
    (ids("278"), lambda a: [tuple(tuple(x) if isinstance(x, list) else x for x in a[0])]),
    (ids("307"), lambda a: [tuple(a[0]), a[1], a[2]]),
    (ids("722"), lambda a: [{key: tuple(value) for key, value in a[0].items()}] + a[1:]),
    (ids("252"), lambda a: [complex(a[0])]),
    (ids("580 615 791"), lambda a: all_tuples(a)),
]

def shaped(inputs):
    if not MBPP:
        return inputs
    number = int(str(row["task_id"]).split("/")[-1])
    for known, shape in SHAPES:
        if number in known:
            return [shape(one) for one in inputs]
    return inputs

def is_floats(value):
    if isinstance(value, float):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(x, float) for x in value)

def is_close(found, wanted, atol):
    if isinstance(wanted, (list, tuple)):
        return (isinstance(found, (list, tuple)) and len(found) == len(wanted)
                and all(is_close(x, y, atol) for x, y in zip(found, wanted)))
    if not all(isinstance(x, (int, float, complex)) for x in (found, wanted)):
        return found == wanted
    if found == wanted or (found != found and wanted != wanted):
        return True
    return abs(found - wanted) <= atol + 1e-7 * abs(wanted)

SAME_ELEMENTS = ("similar_elements find_char_long common_in_nested_lists extract_singly larg_nnum"
                 " intersection_array find_dissimilar Diff").split()
FOUND_OR_NOT = ["check_str", "text_match_three", "text_starta_endb"]

def other_reading(found, arguments, atol):
    """Whether a result is right by a second reading of its task."""
    if NAME == "are_equivalent":
        return True
    if NAME == "sum_div":
        return found == 0
    if NAME == "surface_Area":
        base, height = arguments
        slant = math.sqrt((base / 2) ** 2 + height ** 2)
        return abs(found - round(base ** 2 + 2 * base * slant)) <= atol
    if NAME == "digit_distance_nums":
        first, second = (str(number) for number in arguments)
        size = max(len(first), len(second))
        pairs = zip(first.zfill(size), second.zfill(size))
        return found == sum(abs(int(x) - int(y)) for x, y in pairs)
    return False

def is_right(found, wanted, arguments, atol):
    if not MBPP and NAME == "find_zero":
        value = sum(c * math.pow(found, i) for i, c in enumerate(arguments[0]))
        return abs(value) <= (atol or 1e-6)
    if MBPP and NAME in SAME_ELEMENTS:
        return set(found) == set(wanted)
    if MBPP and NAME in FOUND_OR_NOT:
        return found == wanted if isinstance(found, bool) else wanted == (found is not None)
    if found == wanted or (MBPP and other_reading(found, arguments, atol)):
        return True
    if atol == 0 and is_floats(wanted):
        atol = 1e-6
    return atol != 0 and type(found) == type(wanted) and is_close(found, wanted, atol)

def check(candidate):
    scope = {"__name__": "reference"}
    exec(REFERENCE, scope)
    reference = scope[NAME]
    for arguments in shaped(row["base_input"]) + shaped(row["plus_input"]):
        wanted = reference(*copy.deepcopy(arguments))
        if MBPP and NAME in FOUND_OR_NOT and not isinstance(wanted, bool):
            wanted = wanted is not None
        found = candidate(*copy.deepcopy(arguments))
        assert is_right(found, wanted, arguments, row.get("atol") or 0), "another result than the reference's"
`;
