"""What happens to the running value after the opening, and what is asked at the end.

Each entry holds wordings for every kind of story; the last wording is held out
of training. An event returns False, leaving the story as it was, where the
numbers do not fit (a third of 10, more given away than there are).
"""

FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}

ADD = {
    "items": ["{P} finds {a} more.", "Then {p} gets {a} more.", "After that {p} buys {a} more."],
    "money": ["{P} earns ${a} more.", "Then {p} gets ${a}.", "After that {p} finds ${a}."],
    "stuff": ["Then {a} {u} more are added.", "They get {a} {u} more.", "After that they buy {a} {u} more."],
    "people": ["Then {a} more get on.", "Then {a} more come.", "After that {a} people come."],
    "plan": ["{P} adds {a} {u}.", "Then {a} {u} more are added.", "After that {p} gets {a} {u} more."],
}
SUBTRACT = {
    "items": ["{P} gives away {a}.", "Then {p} loses {a}.", "After that {p} sells {a}."],
    "money": ["{P} spends ${a} on food.", "Then {p} pays ${a} for a book.", "After that {p} loses ${a}."],
    "stuff": ["Then {a} {u} are used.", "They sell {a} {u}.", "After that they use {a} {u}."],
    "people": ["Then {a} get off.", "Then {a} go home.", "After that {a} people go."],
    "plan": ["{P} takes {a} {u} off.", "Then {a} {u} are taken off.", "After that {p} drops {a} {u}."],
}
MULTIPLY = {
    "items": ["Later {p} has {k} times as many.", "The number grows to {k} times as many.", "After that there are {k} times as many."],
    "money": ["Later {p} has {k} times as much.", "The money grows to {k} times as much.", "After that there is {k} times as much."],
    "stuff": ["Later there is {k} times as much.", "It grows to {k} times as much.", "After that they have {k} times as much."],
    "people": ["Later there are {k} times as many.", "The group grows to {k} times as many.", "After that {k} times as many come."],
    "plan": ["Later it is {k} times as much.", "The plan grows to {k} times as much.", "After that there is {k} times as much."],
}
KEEP = {
    "items": ["{P} keeps {f} of them.", "Only {f} of them are good.", "After that {p} has {f} of them."],
    "money": ["{P} keeps {f} of it.", "Only {f} of it is left.", "After that {p} has {f} of it."],
    "stuff": ["Only {f} of it is left.", "They keep {f} of it.", "After that {f} of it is good."],
    "people": ["Only {f} of them stay.", "Then {f} of them stay.", "After that {f} of them are left."],
    "plan": ["{P} keeps {f} of it.", "Only {f} of it is left.", "After that {p} has {f} of it."],
}
GIVE = {
    "items": ["{P} gives {f} of them to a friend.", "{P} sells {f} of them.", "After that {p} loses {f} of them."],
    "money": ["{P} spends {f} of it.", "{P} gives {f} of it to a friend.", "After that {p} pays {f} of it for food."],
    "stuff": ["Then {f} of it is used.", "They sell {f} of it.", "After that they use {f} of it."],
    "people": ["Then {f} of them get off.", "Then {f} of them go home.", "After that {f} of them go."],
    "plan": ["{P} takes {f} of it off.", "Then {f} of it is taken off.", "After that {p} drops {f} of it."],
}
ASK = {
    "items": ["How many {u} does {n} have now?", "How many {u} are left?", "How many {u} are there now?"],
    "money": ["How much money does {n} have now?", "How many dollars does {n} have?", "How much money is left now?"],
    "stuff": ["How many {u} are there now?", "How many {u} are left?", "How many {u} do they have now?"],
    "people": ["How many {u} are there now?", "How many {u} are left?", "How many {u} stay now?"],
    "plan": ["How many {u} are there now?", "How many {u} is it now?", "How many {u} does {n} have now?"],
}
SHARE = {
    "items": ["{P} shares them equally with {k} friends. How many does each friend get?", "{P} puts them equally in {k} bags. How many are in each bag?",
              "They go equally to {k} friends. How many does each friend get?"],
    "money": ["{P} shares it equally with {k} friends. How much does each friend get?", "{P} spends it equally on {k} days. How much is it each day?",
              "It goes equally to {k} friends. How much does each friend get?"],
    "stuff": ["It is shared equally by {k} shops. How many {u} does each shop get?", "It is cut equally in {k} parts. How many {u} are in each part?",
              "It goes equally to {k} shops. How many {u} does each shop get?"],
    "people": ["They go equally in {k} groups. How many are in each group?", "They sit equally in {k} rows. How many are in each row?",
               "They are shared equally by {k} rooms. How many are in each room?"],
    "plan": ["It is shared equally on {k} days. How many {u} is it a day?", "{P} does it equally in {k} days. How many {u} is it on each day?",
             "It goes equally on {k} days. How many {u} is it each day?"],
}
PACK = {   # the leftover or the number of full packs is asked
    "items": ["{P} puts them in bags of {k}.", "{P} packs boxes of {k}.", "They go in bags of {k}."],
    "money": ["{P} buys toys for ${k} each.", "A ticket costs ${k} and {p} buys many.", "Toys are ${k} each and {p} buys many."],
    "stuff": ["It is put in boxes of {k} {u}.", "They pack bags of {k} {u}.", "It goes in boxes of {k} {u}."],
    "people": ["They go in groups of {k}.", "They sit in rows of {k}.", "They sit in groups of {k}."],
    "plan": ["It is put in parts of {k} {u}.", "It is cut in parts of {k} {u}.", "It goes in parts of {k} {u}."],
}
PACK_ASK = {   # first list: how many full packs; second: what is left over
    "items": (["How many are full?", "How many of them are full?"], ["How many {u} are left over?", "How many are left over?"]),
    "money": (["How many can {p} buy?", "How many does {p} get?"], ["How much money is left over?", "How many dollars are left over?"]),
    "stuff": (["How many are full?", "How many of them are full?"], ["How many {u} are left over?", "How many are left over?"]),
    "people": (["How many are full?", "How many of them are full?"], ["How many {u} are left over?", "How many are left over?"]),
    "plan": (["How many are full?", "How many of them are full?"], ["How many {u} are left over?", "How many are left over?"]),
}
PRICE = {
    "items": ["{P} sells them for ${k} each. How much money does {p} get?", "Each costs ${k}. How much money are they all?",
              "Each of them is sold for ${k}. How much money does {p} get?"],
    "people": ["Each pays ${k}. How much money is it?", "A ticket costs ${k} each. How much money do they pay?", "They pay ${k} each. How much money is it?"],
    "stuff": ["A {one} costs ${k}. How much money is it all?", "They sell it for ${k} a {one}. How much money do they get?",
              "Each {one} costs ${k}. How much money is it?"],
}
DISTRACT = ["{m} is {d} years old.", "It is {d} km to the market.", "A book costs ${d}.", "{m} has {d} friends.", "The shop is {d} years old."]
ONE = {"liters": "liter", "cm": "cm", "kg": "kg"}


def add(s, rng, size, w):
    a = size.amount(rng)
    if s.value + a > size.cap:
        return False
    s.say(ADD[s.kind], w, a=a)
    s.do("More", s.value, "+", a)
    return True


def subtract(s, rng, size, w):
    a = size.amount(rng)
    if s.value < 6:
        return False
    if a >= s.value:
        a = rng.randint(2, s.value - 2)
    s.say(SUBTRACT[s.kind], w, a=a)
    s.do("Less", s.value, "-", a)
    return True


def multiply(s, rng, size, w):
    k = rng.randint(2, size.factor)
    if s.value * k > size.cap:
        return False
    s.say(MULTIPLY[s.kind], w, k=k)
    s.do("Grown", s.value, "*", k)
    return True


def keep(s, rng, size, w):
    fits = [q for q in FRACTIONS if s.value % q == 0 and s.value > 2 * q]
    if not fits:
        return False
    q = rng.choice(fits)
    s.say(KEEP[s.kind], w, f=FRACTIONS[q])
    s.do("Kept", s.value, "/", q)
    return True


def give(s, rng, size, w):
    """Two steps: the part that goes, then what is left."""
    fits = [q for q in FRACTIONS if q > 2 and s.value % q == 0 and s.value > 2 * q]
    if not fits:
        return False
    q, whole = rng.choice(fits), s.value
    s.say(GIVE[s.kind], w, f=FRACTIONS[q])
    s.do("Part", whole, "/", q)
    s.do("Rest", whole, "-", s.value)
    return True


def keep_parts(s, rng, size, w):
    """Two steps: p/q of the value, as one part times p."""
    fits = [q for q in range(3, 9) if s.value % q == 0 and s.value > 2 * q]
    if not fits:
        return False
    q = rng.choice(fits)
    p = rng.randint(2, q - 1)
    s.used += [p, q]
    s.say(KEEP[s.kind], w, f=f"{p}/{q}")
    s.do("Part", s.value, "/", q)
    s.do("Kept", s.value, "*", p)
    return True


def ask(s, rng, size, w):
    s.say(ASK[s.kind], w)
    return True


def share(s, rng, size, w):
    fits = [k for k in range(2, size.divisor + 1) if s.value % k == 0 and s.value > k]
    if not fits:
        return False
    k = rng.choice(fits)
    s.say(SHARE[s.kind], w, k=k)
    s.do("Each", s.value, "/", k)
    return True


def pack(s, rng, size, w):
    fits = [k for k in range(3, size.divisor + 1) if s.value % k and s.value > k]
    if not fits:
        return False
    k = rng.choice(fits)
    s.say(PACK[s.kind], w, k=k)
    s.do("Full", s.value, "/", k)
    leftover = rng.random() < .5
    s.sentences.append(rng.choice(PACK_ASK[s.kind][leftover]).format(u=s.unit, p=s.pronoun))
    if leftover:
        s.value = s.steps[-1].rest
    return True


def price(s, rng, size, w):
    k = rng.randint(2, size.factor)
    if s.kind not in PRICE or s.value * k > size.cap:
        return False
    s.say(PRICE[s.kind], w, k=k, one=ONE.get(s.unit, ""))
    s.do("Money", s.value, "*", k)
    return True


ONE_STEP = [add, subtract, multiply, keep]
TWO_STEPS = [give, keep_parts]
ENDINGS = [share, pack, price]
