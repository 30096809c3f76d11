"""The attentive probes that were published with V-JEPA 2, as weights of our own `probe`.

Their tokens are those of the encoder as they are, which know their places: nothing is projected, standardised or added.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier, QueryClassifier
from egoact.models.heads.probe import ProbeHead
from egoact.models.names import ACTION


def load_published_probe(
    states: Sequence[Mapping[str, Tensor]],
    *,
    num_frames: int,
    num_parts: int,
    num_heads: int,
    actions: Sequence[tuple[int, int]],
) -> ActionClassifier:
    """A model with the weights of published probes; several of them are averaged as replicas.

    Args:
        states: The entries of "classifiers" of a checkpoint: names -> tensors of an `AttentiveClassifier` with
            `pooler.query_tokens` of three queries, `pooler.blocks.N`, `pooler.cross_attention_block`, and
            `verb_classifier`, `noun_classifier` and `action_classifier`. Rows of the first two are in order of classes.
            A `ValueError` for tensors that are missing, left over or of other shapes.
        num_frames: T, rows of the features of a clip.
        num_parts: Tokens of a row, part by part.
        num_heads: Of the attention, which no tensor tells.
        actions: Verb and noun of each row of `action_classifier`; none is named twice.
    """
    plain = [{n.removeprefix("module.").removeprefix("pooler."): t for n, t in state.items()} for state in states]
    try:
        width = plain[0]["query_tokens"].shape[2]
        numbers = {name: len(plain[0][f"{name}_classifier.bias"]) for name in ("verb", "noun", ACTION)}
    except (IndexError, KeyError) as error:
        raise ValueError(f"these are no probes for verbs, nouns and actions: {error} is missing") from None
    depth = 1 + len({name.split(".")[1] for name in plain[0] if name.startswith("blocks.")})
    head = ProbeHead(
        feature_shape=(num_parts * width,),
        num_frames=num_frames,
        width=width,
        depth=depth,
        num_heads=num_heads,
        replicas=len(plain),
        streams=((num_parts * width, num_parts),),
    )
    pairs = [verb * numbers["noun"] + noun for verb, noun in actions]
    if len(set(pairs)) != numbers[ACTION]:
        raise ValueError(f"there are {numbers[ACTION]} actions, of which {len(set(pairs))} are named")
    order = sorted(range(len(pairs)), key=pairs.__getitem__)
    classes = {name: numbers[name] for name in ("verb", "noun")}
    model = ActionClassifier(head, num_classes=classes, dropout=0.0, pairs=tuple(sorted(pairs)))
    with torch.no_grad():
        for number, (state, probe) in enumerate(zip(plain, head.probes, strict=True)):
            nn.init.eye_(probe.project[0].weight)  # pyrefly: ignore[bad-index, missing-attribute]
            for added in (probe.project[0].bias, probe.positions.table, probe.places):  # pyrefly: ignore[bad-index, missing-attribute]
                nn.init.zeros_(added)  # pyrefly: ignore[bad-argument-type]
            _fill(model, probe, state, number, order)
    return model.eval()


def _fill(
    model: ActionClassifier, probe: nn.Module, state: dict[str, Tensor], number: int, order: Sequence[int]
) -> None:
    """Take the tensors of one probe."""
    left = dict(state)
    for target, classifier in model.classifiers.items():
        assert isinstance(classifier, QueryClassifier)
        for part, mine in (("weight", classifier.weight[number]), ("bias", classifier.bias[number])):
            theirs = left.pop(f"{target}_classifier.{part}", None)
            if theirs is None or theirs.shape != mine.shape:
                raise ValueError(f"{target}_classifier.{part} must have shape {tuple(mine.shape)}")
            mine.copy_(theirs[list(order)] if target == ACTION else theirs)
    own = {name for name in probe.state_dict() if not name.startswith(("project.", "positions.", "places"))}
    if own != set(left):
        raise ValueError(f"these are no such probes: {sorted(own ^ set(left))[0]} is missing or left over")
    try:
        probe.load_state_dict(left, strict=False)
    except RuntimeError as error:
        raise ValueError(f"these are no such probes: {' '.join(str(error).split())}") from None
