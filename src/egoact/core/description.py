"""Actions in words: "open", "fridge" -> "opens the fridge". English, third person, present tense.

EPIC-KITCHENS writes a verb with its particle as "turn-on" and a compound noun main word first, as "board:chopping".
"""

_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"
# What a verb needs before the thing that it is about.
_PREPOSITIONS = {"look": "at", "search": "for", "wait": "for", "walk": "to", "talk": "to", "let go": "of"}


def describe(verb: str, noun: str | None = None) -> str:
    """An action as one would say it of somebody.

    Args:
        verb: In its base form; a particle follows after "-" or a space.
        noun: What it is done to, or None.

    >>> describe("open", "fridge"), describe("turn-on", "tap"), describe("wash", "board:chopping")
    ('opens the fridge', 'turns on the tap', 'washes the chopping board')
    >>> describe("carry"), describe("let-go", "pan")
    ('carries', 'lets go of the pan')
    """
    words = verb.replace("-", " ").replace("_", " ").split() or [verb]
    said = [third_person(words[0]), *words[1:]]
    if noun:
        before = _PREPOSITIONS.get(" ".join(words).lower())
        said += [*([before] if before else []), "the", noun_phrase(noun)]
    return " ".join(said)


def third_person(verb: str) -> str:
    """The form that goes with he, she or it.

    >>> [third_person(v) for v in ("put", "wash", "dry", "spray", "fix", "do", "squeeze")]
    ['puts', 'washes', 'dries', 'sprays', 'fixes', 'does', 'squeezes']
    """
    lower = verb.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if lower.endswith(_SIBILANTS):
        return f"{verb}es"
    if lower.endswith("y") and len(lower) > 1 and lower[-2] not in _VOWELS:
        return f"{verb[:-1]}ies"
    if lower.endswith("o") and len(lower) > 1 and lower[-2] not in _VOWELS:
        return f"{verb}es"
    return f"{verb}s"


def noun_phrase(noun: str) -> str:
    """A noun in reading order.

    >>> noun_phrase("board:chopping"), noun_phrase("oil_olive")
    ('chopping board', 'oil olive')
    """
    return " ".join(reversed(noun.replace("_", " ").split(":"))).strip()
