"""Openings of the word problems: one function per template.

A story opens with one to three calculation steps and leaves a running value
(for example "the money Tom has now"), which the events of events.py change.
Every template has several wordings; the last wording of each is held out of
training, and so are the templates in HELD_OUT_STORIES.
"""

from dataclasses import dataclass, field

BOYS = "Tom Sam Eric Noah Omar Jack Ben Leo Max Paul".split()
GIRLS = "Anna Lily Maya Kate Zoe Emma Nina Rosa Ella Ivy".split()
THINGS = "shells stamps coins marbles pencils cards beads buttons stickers toys".split()
FOODS = "cookies muffins rolls pies buns apples".split()
PLANTS = "tulips roses carrots onions trees beans".split()


@dataclass
class Step:
    """One line of a solution: `label: left op right = result.`"""

    label: str
    left: int
    op: str
    right: int
    result: int
    rest: int = 0

    def line(self):
        rest = f" rest {self.rest}" if self.op == "/" and self.rest else ""
        return f"{self.label}: {self.left} {self.op} {self.right} = {self.result}{rest}."


@dataclass
class Story:
    """A problem under construction: sentences, solution steps, running value."""

    kind: str            # which events fit: items, money, stuff, people, plan
    unit: str            # the noun that is counted
    name: str            # who acts
    pronoun: str         # he, she or they
    sentences: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    value: int = 0
    used: list = field(default_factory=list)   # every number of the question

    def do(self, label, left, op, right):
        """Append a step, make its result the running value and return it."""
        rest = 0
        if op == "/":
            result, rest = divmod(left, right)
        else:
            result = {"+": left + right, "-": left - right, "*": left * right}[op]
        self.steps.append(Step(label, left, op, right, result, rest))
        self.value = result
        return result

    def say(self, wordings, index, **words):
        """Add the sentence of wording `index`; numbers in it are remembered."""
        words = {"n": self.name, "u": self.unit, "p": self.pronoun, "P": self.pronoun.capitalize(), **words}
        self.sentences.append(wordings[index].format(**words))
        self.used += [w for w in words.values() if isinstance(w, int)]


def person(rng):
    """A name and its pronoun."""
    return (rng.choice(BOYS), "he") if rng.random() < .5 else (rng.choice(GIRLS), "she")


def new(rng, kind, unit):
    name, pronoun = person(rng)
    return Story(kind, unit, name, pronoun)


def another(rng, story):
    """A second person's name."""
    return rng.choice([x for x in BOYS + GIRLS if x != story.name])


def boxes(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(THINGS)), size.few(rng), size.many(rng)
    s.say(["{n} has {a} boxes with {b} {u} each.", "{n} owns {a} bags of {b} {u} each.",
           "There are {a} jars with {b} {u} each and {n} has them all."], w, a=a, b=b)
    s.do("Boxes", a, "*", b)
    return s


def colours(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(THINGS)), size.amount(rng), size.amount(rng)
    s.say(["{n} has {a} red {u} and {b} blue {u}.", "{n} finds {a} old {u} and {b} new {u}.",
           "{n} has {u}: {a} are red and {b} are blue."], w, a=a, b=b)
    s.do("Both", a, "+", b)
    return s


def times_as_many(rng, size, w):
    s, a, k = new(rng, "items", rng.choice(THINGS)), size.many(rng), size.few(rng)
    s.say(["{m} has {a} {u}. {n} has {k} times as many {u} as {m}.",
           "{m} owns {a} {u} and {n} owns {k} times as many.",
           "{n} has {k} times as many {u} as {m}, and {m} has {a}."], w, a=a, k=k, m=another(rng, s))
    s.do("Times", a, "*", k)
    return s


def together(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(THINGS)), size.amount(rng), size.amount(rng)
    s.say(["{m} has {a} {u}. {n} has {b} more {u} than {m}. {n} takes them all.",
           "{m} owns {a} {u} and {n} owns {b} more than {m}. {m} gives all to {n}.",
           "{n} has {b} more {u} than {m}, and {m} has {a}. {n} takes them all."], w, a=a, b=b, m=another(rng, s))
    s.do("Second", a, "+", b)
    s.do("Both", a, "+", s.value)
    return s


def wages(rng, size, w):
    s, a, b = new(rng, "money", "dollars"), size.few(rng), size.many(rng)
    s.say(["{n} works {a} hours for ${b} an hour.", "{n} earns ${b} an hour and works {a} hours.",
           "For each hour of work {n} gets ${b}. {P} works {a} hours."], w, a=a, b=b)
    s.do("Earned", a, "*", b)
    return s


def savings(rng, size, w):
    s, a, b, c = new(rng, "money", "dollars"), size.few(rng), size.many(rng), size.amount(rng)
    s.say(["{n} has ${c}. {P} works {a} hours for ${b} an hour.", "{n} saved ${c} and earns ${b} an hour for {a} hours.",
           "{n} works {a} hours for ${b} an hour. {P} has ${c} before that."], w, a=a, b=b, c=c)
    s.do("Earned", a, "*", b)
    s.do("Now", c, "+", s.value)
    return s


def sale(rng, size, w):
    s, a, b = new(rng, "money", "dollars"), size.many(rng), size.few(rng)
    s.say(["{n} sells {a} {t} for ${b} each.", "At a market {n} sells {a} {t}. Each costs ${b}.",
           "Each of the {t} costs ${b} and {n} sells {a}."], w, a=a, b=b, t=rng.choice(THINGS + FOODS))
    s.do("Sold", a, "*", b)
    return s


def two_days(rng, size, w):
    s, a, k = new(rng, "money", "dollars"), size.many(rng), size.few(rng)
    s.say(["{n} earns ${a} on Monday and {k} times as much on Friday.",
           "On Monday {n} gets ${a}. On Friday {p} gets {k} times as much.",
           "{n} earns {k} times as much on Friday as on Monday. On Monday {p} earns ${a}."], w, a=a, k=k)
    s.do("Friday", a, "*", k)
    s.do("Both", a, "+", s.value)
    return s


def shopping(rng, size, w):
    s, a, b = new(rng, "money", "dollars"), size.few(rng), size.many(rng)
    c = a * b + size.amount(rng)
    s.say(["{n} has ${c} and buys {a} {t} for ${b} each.", "{n} buys {a} {t} for ${b} each. Before that {p} has ${c}.",
           "{n} had ${c}. {P} bought {a} {t}. Each costs ${b}."], w, a=a, b=b, c=c, t=rng.choice(THINGS))
    s.do("Cost", a, "*", b)
    s.do("Left", c, "-", s.value)
    return s


def tickets(rng, size, w):
    s, a, b, x, y = new(rng, "money", "dollars"), size.few(rng), size.few(rng), size.many(rng), size.many(rng)
    s.say(["{n} sells {x} tickets for adults at ${a} and {y} tickets for kids at ${b}.",
           "A show costs ${a} for adults and ${b} for kids. {n} sells tickets to {x} adults and {y} kids.",
           "{n} sells tickets to {x} adults and {y} kids. Adults pay ${a} and kids pay ${b}."], w, a=a, b=b, x=x, y=y)
    adults = s.do("Adults", x, "*", a)
    s.do("Kids", y, "*", b)
    s.do("Both", adults, "+", s.value)
    return s


def pipe(rng, size, w):
    s, a, b, c = new(rng, "stuff", "liters"), size.many(rng), size.few(rng), size.amount(rng)
    s.say(["A pool has {c} liters of water. A pipe adds {a} liters a minute for {b} minutes.",
           "A tank has {c} liters. For {b} minutes a pipe adds {a} liters each minute.",
           "For {b} minutes a pipe adds {a} liters a minute to a tank with {c} liters."], w, a=a, b=b, c=c)
    s.do("Added", a, "*", b)
    s.do("Now", c, "+", s.value)
    return s


def ropes(rng, size, w):
    s, a, b = new(rng, "stuff", "cm"), size.few(rng), size.many(rng)
    s.say(["{n} has {a} ropes of {b} cm each.", "{n} ties {a} ropes together. Each has {b} cm.",
           "Each rope has {b} cm and {n} ties {a} ropes together."], w, a=a, b=b)
    s.do("Length", a, "*", b)
    return s


def sacks(rng, size, w):
    s, a, b, c = new(rng, "stuff", "kg"), size.few(rng), size.many(rng), size.amount(rng)
    s.say(["A shop has {a} bags of {b} kg flour and a box of {c} kg.", "A shop gets {a} bags of {b} kg each and {c} kg more.",
           "There are {a} bags of {b} kg flour and {c} kg more in a shop."], w, a=a, b=b, c=c)
    s.do("Bags", a, "*", b)
    s.do("All", s.value, "+", c)
    return s


def garden(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(PLANTS)), size.few(rng), size.many(rng)
    s.say(["{n} plants {a} rows of {u} with {b} in each row.", "{n} has {a} rows of {b} {u}.",
           "In each row {n} plants {b} {u}. There are {a} rows."], w, a=a, b=b)
    s.do("Planted", a, "*", b)
    return s


def train(rng, size, w):
    s, a, c = new(rng, "people", "people"), size.amount(rng), size.amount(rng)
    b = min(size.amount(rng), a - 1)
    s.say(["A train has {a} people. At the first stop {b} get off and {c} get on.",
           "There are {a} people on a bus. First {b} get off, then {c} get on.",
           "A bus with {a} people stops. Then {c} get on after {b} get off."], w, a=a, b=b, c=c)
    s.do("Off", a, "-", b)
    s.do("On", s.value, "+", c)
    return s


def classes(rng, size, w):
    s, a, b = new(rng, "people", "children"), size.few(rng), size.many(rng)
    s.say(["A school has {a} classes with {b} children each.", "There are {a} groups of {b} children on a trip.",
           "A trip has {b} children in each of {a} groups."], w, a=a, b=b)
    s.do("Classes", a, "*", b)
    return s


def camp(rng, size, w):
    s, a = new(rng, "people", "children"), size.amount(rng)
    b = min(size.amount(rng), a - 1)
    s.say(["A camp has {a} boys and {b} fewer girls than boys.", "There are {a} boys in a club and {b} fewer girls.",
           "A club has {b} fewer girls than boys. There are {a} boys."], w, a=a, b=b)
    s.do("Girls", a, "-", b)
    s.do("Both", a, "+", s.value)
    return s


def book(rng, size, w):
    s, a, b = new(rng, "plan", "pages"), size.many(rng), size.few(rng)
    c = a * b + size.amount(rng)
    s.say(["A book has {c} pages. {n} reads {a} pages a day for {b} days.",
           "{n} has a book with {c} pages and reads {a} pages a day for {b} days.",
           "For {b} days {n} reads {a} pages a day of a book with {c} pages."], w, a=a, b=b, c=c)
    s.do("Read", a, "*", b)
    s.do("Left", c, "-", s.value)
    return s


def practice(rng, size, w):
    s, a, b = new(rng, "plan", "minutes"), size.many(rng), size.few(rng)
    s.say(["{n} plays {t} {a} minutes a day for {b} days.", "For {b} days {n} plays {t} {a} minutes each day.",
           "Each day {n} plays {t} for {a} minutes. {P} plays on {b} days."], w, a=a, b=b, t=rng.choice(["tennis", "chess", "piano"]))
    s.do("Played", a, "*", b)
    return s


def trip(rng, size, w):
    s, a, b, c = new(rng, "plan", "km"), size.many(rng), size.few(rng), size.amount(rng)
    s.say(["{n} drives {a} km an hour for {b} hours and then {c} km more.", "{n} drives {b} hours at {a} km an hour, then {c} km.",
           "First {n} drives {a} km each hour for {b} hours, then {c} km more."], w, a=a, b=b, c=c)
    s.do("Drive", a, "*", b)
    s.do("All", s.value, "+", c)
    return s


def farm(rng, size, w):
    s, a, k = new(rng, "items", "animals"), size.many(rng), size.few(rng)
    s.say(["{n} has a farm with {a} hens and {k} times as many ducks.", "On a farm {n} has {a} hens. {P} has {k} times as many ducks as hens.",
           "{n} has {k} times as many ducks as hens. There are {a} hens."], w, a=a, k=k)
    s.do("Ducks", a, "*", k)
    s.do("Both", a, "+", s.value)
    return s


def bakery(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(FOODS)), size.few(rng), size.many(rng)
    c = min(size.amount(rng), a * b - 1)
    s.say(["{n} bakes {a} trays of {b} {u} and burns {c}.", "{n} bakes {a} trays with {b} {u} each. {P} burns {c} of them.",
           "{n} burns {c} of the {u}. {P} bakes {a} trays of {b}."], w, a=a, b=b, c=c)
    s.do("Baked", a, "*", b)
    s.do("Good", s.value, "-", c)
    return s


def album(rng, size, w):
    s, a, b, c = new(rng, "items", rng.choice(THINGS)), size.few(rng), size.many(rng), size.amount(rng)
    s.say(["{n} has {a} pages with {b} {u} each and {c} in a box.", "{n} puts {b} {u} on each of {a} pages and {c} in a box.",
           "In a box {n} has {c} {u}, and {p} has {a} pages with {b} each."], w, a=a, b=b, c=c)
    s.do("Pages", a, "*", b)
    s.do("All", s.value, "+", c)
    return s


def daily(rng, size, w):
    s, a, b = new(rng, "items", rng.choice(THINGS)), size.many(rng), size.few(rng)
    s.say(["{n} finds {a} {u} a day for {b} days.", "For {b} days {n} gets {a} {u} a day.", "Each day {n} finds {a} {u}. {P} finds them on {b} days."],
          w, a=a, b=b)
    s.do("Found", a, "*", b)
    return s


def two_purses(rng, size, w):
    s, a = new(rng, "money", "dollars"), size.amount(rng)
    b = min(size.amount(rng), a - 1)
    s.say(["{m} has ${a}. {n} has ${b} less than {m}. {n} takes all of the money.", "{m} earns ${a} and {n} earns ${b} less. {m} gives all to {n}.",
           "{n} has ${b} less than {m}, and {m} has ${a}. {n} takes all of the money."], w, a=a, b=b, m=another(rng, s))
    s.do("Second", a, "-", b)
    s.do("Both", a, "+", s.value)
    return s


def cabins(rng, size, w):
    s, a, b, c = new(rng, "people", "people"), size.few(rng), size.many(rng), size.amount(rng)
    s.say(["A ship has {a} rooms with {b} people each and {c} people more.", "There are {a} rooms of {b} people on a ship and {c} more people.",
           "A ship has {c} people and {a} rooms with {b} people each."], w, a=a, b=b, c=c)
    s.do("Rooms", a, "*", b)
    s.do("All", s.value, "+", c)
    return s


STORIES = {f.__name__: f for f in (
    boxes, colours, times_as_many, together, wages, savings, sale, two_days, shopping, tickets, pipe, ropes,
    sacks, garden, train, classes, camp, book, practice, trip, farm, bakery, album)}
HELD_OUT_STORIES = {f.__name__: f for f in (daily, two_purses, cabins)}
