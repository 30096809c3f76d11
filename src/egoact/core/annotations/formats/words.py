"""Words of other tools: hands by their many names, recordings by their files."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from egoact.core.annotations.formats.annotation import Hand
from egoact.core.annotations.parsing import normalise_video_id

_SUFFIX = re.compile(
    r"mp4|mkv|avi|mov|webm|m4v|mpe?g|mts|m2ts|wmv|flv|og[vg]|3gp|ts|mxf|wav|mp3|m4a|flac|aac"
    r"|boris|eaf|csv|tsv|txt|json|xml|vtt|srt|opf|tar|gz",
    re.IGNORECASE,
)
_HANDS: dict[str, Hand] = {
    **dict.fromkeys(("l", "lh", "left", "lefthand", "handleft", "handl"), "left"),
    **dict.fromkeys(("r", "rh", "right", "righthand", "handright", "handr"), "right"),
    **dict.fromkeys(
        ("b", "bh", "lr", "rl", "both", "bothhands", "handsboth", "bimanual", "leftright", "rightleft"), "both"
    ),
    **dict.fromkeys(("leftandright", "rightandleft", "leftandrighthand", "twohands", "2hands"), "both"),
}


def parse_hand(text: str) -> Hand:
    """Which hand a word means: "L", "left hand", "LH", "both"; empty where it means none.

    >>> parse_hand("Left hand"), parse_hand("L+R"), parse_hand("Anna")
    ('left', 'both', '')
    """
    return _HANDS.get(re.sub(r"[\W_]+", "", text.casefold()), "")


def hand_name(hand: Hand) -> str:
    """How a hand is written: "left hand", "both hands"; empty for none."""
    return "" if not hand else f"{hand} hand{'s' * (hand == 'both')}"


def recording_name(media: str) -> str:
    """The recording that a file name, a path or an address means: the name without folder and extension.

    >>> recording_name("file:///C:/videos/kitchen%201.MP4"), recording_name("/data/local-files/?d=a/b.mov")
    ('kitchen 1', 'b')
    """
    text = media.strip()
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) or text.startswith("/data/"):
        parts = urlsplit(text)
        inside = parse_qs(parts.query).get("d", [""])[0]
        text = inside or unquote(parts.path)
    name = re.split(r"[/\\]", normalise_video_id(text))[-1]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and _SUFFIX.fullmatch(suffix) else name


def one_line(text: str) -> str:
    """The text with all white space, line ends too, as single blanks."""
    return " ".join(text.split())
