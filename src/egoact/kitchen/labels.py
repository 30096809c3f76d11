"""The verbs and nouns of the built-in kitchen, with categories; the order gives the class ids."""

VERBS: dict[str, str] = {
    "take": "retrieve",
    "put": "leave",
    "open": "access",
    "close": "block",
    "turn-on": "transition",
    "turn-off": "transition",
    "wash": "clean",
    "cut": "split",
    "pour": "merge",
    "stir": "merge",
    "insert": "leave",
    "remove": "retrieve",
    "fold": "order",
    "unfold": "access",
}
NOUNS: dict[str, str] = {
    "plate": "crockery",
    "fridge": "appliances",
    "tap": "appliances",
    "cup": "crockery",
    "knife": "cutlery",
    "tomato": "vegetables",
    "cupboard": "storage",
    "pan": "cookware",
    "spoon": "cutlery",
    "milk": "dairy",
    "hob": "appliances",
    "bowl": "crockery",
    "drawer": "storage",
    "pot": "cookware",
    "onion": "vegetables",
    "bread": "baked goods",
    "sponge": "cleaning",
    "bottle": "containers",
    "kettle": "appliances",
    "glass": "crockery",
    "apple": "fruit",
    "cereal": "baked goods",
    "light": "appliances",
    "board": "utensils",
    "cloth": "cleaning",
}
NARRATIONS = {
    "put": "put down {}",
    "turn-on": "turn on {}",
    "turn-off": "turn off {}",
}
REVERSED_PAIRS = (
    ("take", "put"),
    ("open", "close"),
    ("turn-on", "turn-off"),
    ("insert", "remove"),
    ("fold", "unfold"),
)


def narration(verb: str, noun: str) -> str:
    """What a narrator would say: "put down plate"."""
    return NARRATIONS.get(verb, verb + " {}").format(noun)
