"""The potentials of bench/where in Python: what a text or its beginning is worth, from 0 to 1."""
import re

WORD = r"\S*[^\W_]\S*"


def promise(asked, text, is_whole):
    return KINDS[asked["kind"]](asked, text, is_whole)


def topic(asked, text, _):
    return float(asked["topic"].split(" ")[-1] in text.lower())


def keywords(asked, text, _):
    words = asked["words"]
    return sum(bool(re.search(rf"\b{word}s?\b", text, re.I)) for word in words) / len(words)


def counts(asked, text, is_whole):
    named = topic(asked, text, is_whole)
    found = [part for part in re.findall(r"[^.!?]*[.!?]+", text) if re.search(r"[^\W_]", part)]
    right = sum(len(re.findall(WORD, part)) == asked["words"] for part in found)
    if not is_whole:
        return (named + (len(found) <= asked["sentences"]) + (right == len(found))) / 3
    kept = re.search(r"[.!?]\s*$", text) is not None and len(found) == asked["sentences"]
    return (named + kept + min(1, right / asked["sentences"])) / 3


def records(asked, text, _):
    source = asked["source"].lower()
    fields = re.findall(r'"(name|age|city|job)"\s*:\s*(?:"([^"]*)"|(\d+)(?=[\s,}]))', text)
    return sum((string or number).lower() in source for _, string, number in fields) / 4


KINDS = {"topic": topic, "keywords": keywords, "counts": counts, "records": records}
