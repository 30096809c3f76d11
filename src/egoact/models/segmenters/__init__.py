"""Segmenters: models that score every step of a recording. One line here a segmenter.

Imports `torch` alone. Offers `SEGMENTERS` and `build_model`, which makes what `score` and, of those that see no future,
`step` are asked of; `Segmenter` is what a network derives from.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from egoact.core.bounds import MOST_LAYERS, MOST_WIDTH, check_number, check_whole
from egoact.models.segmenters.asformer import ASFormer
from egoact.models.segmenters.gru import GRUSegmenter
from egoact.models.segmenters.linear import LinearDesign, LinearSegmenter
from egoact.models.segmenters.model import DenseModel, NarrowInput
from egoact.models.segmenters.mstcn import MSTCN, CausalTCN
from egoact.models.segmenters.segmenter import Segmenter

NETWORKS: dict[str, type[Segmenter]] = {
    "mstcn": MSTCN,
    "asformer": ASFormer,
    "gru": GRUSegmenter,
    "causal_tcn": CausalTCN,
}
SEGMENTERS: dict[str, Callable[..., LinearSegmenter | Segmenter]] = {
    "linear": partial(LinearSegmenter, is_causal=False),
    "causal": partial(LinearSegmenter, is_causal=True),
    **NETWORKS,
}
RecordingModel = DenseModel | LinearSegmenter

__all__ = [
    "NETWORKS",
    "SEGMENTERS",
    "DenseModel",
    "LinearDesign",
    "LinearSegmenter",
    "NarrowInput",
    "RecordingModel",
    "build_model",
]


def build_model(
    name: str,
    *,
    num_channels: Sequence[int],
    sizes: Sequence[int],
    rate: int,
    components: int,
    members: int,
    options: dict[str, Any],
) -> RecordingModel:
    """A model by the name of its segmenter in `SEGMENTERS`, untrained.

    Args:
        name: Of the segmenter.
        num_channels: D of each stream.
        sizes: Classes of each target, background included.
        rate: Steps a second.
        components: Principal components that a network gets of each stream.
        members: How many networks are averaged.
        options: The segmenter's own keyword arguments; a `ValueError` for unknown ones, or an impossible value.
    """
    if name not in SEGMENTERS:
        raise ValueError(f"unknown segmenter {name!r}; there are {', '.join(SEGMENTERS)}")
    make: Any = SEGMENTERS[name]
    _check_options(name, make, options)
    if name not in NETWORKS:
        return make(num_channels, sizes, rate=rate, **options)
    narrow = NarrowInput(num_channels, [components] * len(num_channels))
    return DenseModel(narrow, [make(narrow.num_features, sizes, **options) for _ in range(members)], sizes)


def _check_options(name: str, make: Any, options: dict[str, Any]) -> None:
    known = inspect.signature(make).parameters
    for option, value in options.items():
        if option not in known or option in ("num_features", "num_channels", "sizes", "rate", "is_causal"):
            raise ValueError(f"segmenter {name!r} has no option {option!r}")
        if known[option].annotation is int:
            least = 0 if option == "stages" else 1
            most = MOST_LAYERS if option in ("layers", "stages", "blocks", "decoders") else MOST_WIDTH
            check_whole(f"segmenter {name!r}: {option}", value, least=least, most=most)
        else:
            check_number(f"segmenter {name!r}: {option}", value, least=0, most=1e9)
            if option == "dropout" and value >= 1:
                raise ValueError(f"segmenter {name!r}: dropout must be below 1, got {value!r}")
