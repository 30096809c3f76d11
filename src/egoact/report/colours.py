"""Colours of classes: the same name has the same colour on every page, whatever else is there."""

import colorsys
import hashlib

# Okabe and Ito's colours, told apart by colour-blind people too, for the verbs of most kitchens.
_KNOWN = {
    "take": "#0072B2",
    "put": "#E69F00",
    "open": "#009E73",
    "close": "#D55E00",
    "wash": "#56B4E9",
    "cut": "#CC79A7",
    "pour": "#F0E442",
}
_LIGHTNESS = (0.38, 0.55, 0.72)


def colour_of(name: str) -> str:
    """#RRGGBB of a class.

    >>> colour_of("take"), colour_of("cup") == colour_of("cup")
    ('#0072B2', True)
    """
    if name in _KNOWN:
        return _KNOWN[name]
    digest = hashlib.sha256(name.encode()).digest()
    hue, lightness = int.from_bytes(digest[:2], "big") / 65536, _LIGHTNESS[digest[2] % len(_LIGHTNESS)]
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, lightness, 0.6))
