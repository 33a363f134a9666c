"""The mini-GSM corpus: levels, held-out split, and the 1,000 test items.

usage: corpus.py test OUT.jsonl | corpus.py train OUT.jsonl [COUNT] | corpus.py sample LEVEL [COUNT] | corpus.py check TEST.jsonl

Item format is GSM8K's ({"question", "answer"}; the answer ends in `#### N`) plus
level, template and held_out: what about the item training never shows
("numbers": the numbers only, "wording": the wording of one sentence too, "template":
the opening story too).
"""

import json
import random
import re
import sys
import zlib
from dataclasses import dataclass

import events
from stories import HELD_OUT_STORIES, STORIES, Step, another

LEVELS = (1, 2, 3, 4, 5)
HELD_OUT_SHARE = 16          # one number tuple in 16 belongs to the test side
TEST_SEED = 20260121


@dataclass(frozen=True)
class Size:
    """Ranges of the numbers of one level."""

    counts: tuple        # small counts: boxes, hours, days
    groups: tuple        # group sizes, prices, speeds
    amounts: tuple       # what is added or taken
    factor: int          # largest multiplier of an event
    divisor: int         # largest divisor of an ending
    cap: int             # no intermediate result above this
    two_steps: float = 0     # chance of a fraction event of two steps, where two are left
    distract: float = 0      # chance of a sentence that does not matter

    def few(self, rng):
        return rng.randint(*self.counts)

    def many(self, rng):
        return rng.randint(*self.groups)

    def amount(self, rng):
        return rng.randint(*self.amounts)


SIZES = {
    1: Size((2, 5), (3, 12), (2, 20), 3, 5, 100),
    2: Size((2, 7), (4, 20), (5, 50), 4, 6, 250),
    3: Size((2, 9), (11, 60), (11, 99), 5, 8, 700, .3, .15),
    4: Size((3, 9), (21, 99), (51, 400), 7, 9, 2500, .4, .4),
    5: Size((3, 9), (101, 400), (101, 999), 9, 9, 9999, .5, .8),
}


def held_out_numbers(level, numbers):
    """Whether this tuple of a question's numbers is on the test side (a fixed hash)."""
    return zlib.crc32(repr((level, tuple(numbers))).encode()) % HELD_OUT_SHARE == 0


def attempt(rng, level, stories, pick):
    """One problem with exactly level + 1 steps, or None where the numbers did not work out."""
    size, name = SIZES[level], rng.choice(list(stories))
    story = stories[name](rng, size, pick(rng))
    if max(s.result for s in story.steps) > size.cap:
        return None
    ending = rng.choice(events.ENDINGS) if rng.random() < .5 else events.ask
    wanted = level + 1 - (ending is not events.ask)
    previous = None
    while len(story.steps) < wanted:
        two = wanted - len(story.steps) >= 2 and rng.random() < size.two_steps
        event = rng.choice([e for e in (events.TWO_STEPS if two else events.ONE_STEP) if e is not previous])
        if not event(story, rng, size, pick(rng)):
            return None
        previous = event
    if len(story.steps) != wanted:
        return None
    if rng.random() < size.distract:
        # first or last before the question, where it cannot change what "them" means
        at, d = 0 if ending is not events.ask else rng.choice((0, len(story.sentences))), size.amount(rng)
        story.sentences.insert(at, rng.choice(events.DISTRACT).format(m=another(rng, story), d=d))
        story.used.append(d)
    if not ending(story, rng, size, pick(rng)):
        return None
    return name, story


def make_item(rng, level, held_out=None):
    """A training item (held_out None) or a test item of the given held-out class."""
    templates = HELD_OUT_STORIES if held_out == "template" else STORIES
    while True:
        asked, new_at = [], rng.randint(0, level) if held_out == "wording" else None

        def pick(rng):
            asked.append(2 if len(asked) == new_at else rng.randint(0, 1))
            return asked[-1]

        made = attempt(rng, level, templates, pick)
        if not made or (held_out == "wording" and 2 not in asked):
            continue
        name, story = made
        if held_out_numbers(level, story.used) != (held_out is not None):
            continue
        lines = [s.line() for s in story.steps] + [f"#### {story.value}"]
        return {"question": " ".join(story.sentences), "answer": "\n".join(lines),
                "level": level, "template": name, "held_out": held_out or "none"}


def test_items(per_level=200):
    """The held-out items: per level 80% new numbers, 15% new wordings too, 5% new templates too."""
    rng, items, seen = random.Random(TEST_SEED), [], set()
    for level in LEVELS:
        count = 0
        while count < per_level:
            part = count / per_level
            held_out = "numbers" if part < .8 else "wording" if part < .95 else "template"
            item = make_item(rng, level, held_out)
            if item["question"] not in seen:
                seen.add(item["question"])
                items.append(item)
                count += 1
    rng.shuffle(items)
    return items


def train_stream(seed, level_weights, slips=0):
    """Endless training items; level_weights maps level to its share, slips is careless()'s rate."""
    rng = random.Random(seed)
    levels, weights = zip(*level_weights.items())
    while True:
        item = make_item(rng, rng.choices(levels, weights)[0])
        yield {**item, "answer": careless(rng, item["answer"], slips)} if slips else item


def careless(rng, answer, rate):
    """The solution as a careless pupil writes it: each step's result is off with probability `rate`.

    Results below 20 are off by one, others by ten; what follows is computed from the wrong
    number. This keeps a well-trained model from being sure of every step, as text written by
    people does, and leaves errors that samples do not share.
    """
    *lines, last = answer.split("\n")
    steps = [re.fullmatch(r"(\w+): (\d+) (.) (\d+) = (\d+)(?: rest (\d+))?\.", line).groups("0") for line in lines]
    leftover = steps[-1][5] != "0" and last == f"#### {steps[-1][5]}" and steps[-1][4] != steps[-1][5]
    written, out = {}, []          # true result -> what was written
    for label, left, op, right, result, _ in steps:
        a, b = written.get(int(left), int(left)), written.get(int(right), int(right))
        step = Step(label, a, op, b, a + b)
        if op == "/":
            step.result, step.rest = divmod(a, max(1, b))
        elif op != "+":
            step.result = max(0, a - b) if op == "-" else a * b
        if rng.random() < rate:
            off = rng.choice((-1, 1)) * (1 if step.result < 20 else 10)
            step.result = abs(step.result + off)
        written[int(result)] = step.result
        out.append(step)
    return "\n".join([s.line() for s in out] + [f"#### {out[-1].rest if leftover else out[-1].result}"])


def check(path, count=100_000):
    """Count test questions (exact, and with names removed) that occur among `count` training items."""
    bare = lambda q: re.sub(r"\b[A-Z][a-z]+\b", "X", q)
    test = [json.loads(line) for line in open(path)]
    exact, nameless = {t["question"] for t in test}, {bare(t["question"]) for t in test}
    stream = train_stream(1, {level: 1 for level in LEVELS})
    hits = [0, 0]
    for _ in range(count):
        question = next(stream)["question"]
        hits[0] += question in exact
        hits[1] += bare(question) in nameless
    print(f"{len(test)} test items, {count} training items: {hits[0]} same questions, {hits[1]} same up to names")
    return hits == [0, 0]


if __name__ == "__main__":
    if sys.argv[1] == "test":
        with open(sys.argv[2], "w") as out:
            out.writelines(json.dumps(item) + "\n" for item in test_items())
    elif sys.argv[1] == "train":      # the beginning of what training sees, for tests of the overlap
        stream = train_stream(1, {level: 1 for level in LEVELS})
        with open(sys.argv[2], "w") as out:
            out.writelines(json.dumps(next(stream)) + "\n" for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 20_000))
    elif sys.argv[1] == "check":
        sys.exit(not check(sys.argv[2]))
    else:
        stream = train_stream(0, {int(sys.argv[2]): 1})
        for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 3):
            item = next(stream)
            print(item["question"], item["answer"], "", sep="\n")
