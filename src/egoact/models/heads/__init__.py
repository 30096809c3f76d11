"""Temporal heads: what makes one embedding out of the features of a clip. One line here a head.

Imports `core`, `models.names` and torch. Offers `HEADS`, `build_head`, and `Head` and `SteppingHead` to derive from.
"""

import inspect
from typing import Any

from egoact.core import defaults
from egoact.core.bounds import MOST_FRAMES, MOST_LAYERS, MOST_WIDTH, check_number, check_whole
from egoact.models import names
from egoact.models.heads.attention import AttentionHead, TransformerHead
from egoact.models.heads.consensus import AverageHead, ConsensusHead, MaxHead
from egoact.models.heads.convlstm import ConvLSTMHead, LSTAHead
from egoact.models.heads.convnet1d import ConvNet1DHead
from egoact.models.heads.difference import DifferenceHead, StatisticsHead
from egoact.models.heads.flow_attention import FlowAttentionHead
from egoact.models.heads.head import Head, SteppingHead
from egoact.models.heads.probe import ProbeHead
from egoact.models.heads.recurrent import GRUHead, LSTMHead
from egoact.models.heads.relation import RelationHead
from egoact.models.heads.tcn import TCNHead

_CLASSES: tuple[type[Head], ...] = (
    AverageHead,
    MaxHead,
    ConsensusHead,
    LSTMHead,
    ConvNet1DHead,
    ConvLSTMHead,
    DifferenceHead,
    StatisticsHead,
    GRUHead,
    TCNHead,
    RelationHead,
    AttentionHead,
    TransformerHead,
    ProbeHead,
    LSTAHead,
    FlowAttentionHead,
)
HEADS: dict[str, type[Head]] = dict(zip(names.HEADS, _CLASSES, strict=True))
_MOST = {"num_frames": MOST_FRAMES, "num_layers": MOST_LAYERS, "num_blocks": MOST_LAYERS}
DEFAULT_HEAD = defaults.HEAD

__all__ = ["DEFAULT_HEAD", "HEADS", "Head", "SteppingHead", "build_head"]


def build_head(name: str, *, feature_shape: tuple[int, ...], num_frames: int, **options: Any) -> Head:
    """A head by its name in `HEADS`, on features (D,) or (C, h, w) of `num_frames` frames, with options of its own.

    A `ValueError` for an unknown head or option, or features of the wrong kind.
    """
    if name not in HEADS:
        raise ValueError(f"unknown head {name!r}; there are {', '.join(HEADS)}")
    kind = "maps" if len(feature_shape) == 3 else "pooled"
    if HEADS[name].kind != kind:
        needed = HEADS[name].kind
        raise ValueError(f"head {name!r} needs {needed} features, these are {kind}; extract with --kind {needed}")
    _check_counts(name, options | {"num_frames": num_frames})
    try:
        return HEADS[name](feature_shape=feature_shape, num_frames=num_frames, **options)
    except TypeError as error:
        raise ValueError(f"head {name!r}: {error}") from error


def _check_counts(name: str, options: dict[str, Any]) -> None:
    """Whole numbers of at least 1 for every option that a head declares as int; torch would take 0 and warn."""
    for option, parameter in inspect.signature(HEADS[name]).parameters.items():
        value = options.get(option, 1)
        if parameter.annotation is int or (parameter.annotation == int | None and value is not None):
            check_whole(f"head {name!r}: {option}", value, most=_MOST.get(option, MOST_WIDTH))
        elif parameter.annotation == tuple[int, ...]:
            chosen = options.get(option, ())
            for each in chosen if isinstance(chosen, tuple) else (chosen,):
                check_whole(f"head {name!r}: {option}", each, most=MOST_WIDTH)
        elif parameter.annotation is float:
            check_number(f"head {name!r}: {option}", value, least=0, most=1e6)
