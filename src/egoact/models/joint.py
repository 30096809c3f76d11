"""A third classifier, for whole actions: the verb-noun pairs seen in training, marginalised to verbs and to nouns.

    P(verb) = sum of P(pair) over the pairs that have it        answer = (own classifier + marginal) / 2

It knows which verbs go with which nouns; the two other classifiers know classes and pairs that it has never seen.
Shapes: B clips, P pairs, V verbs, N nouns.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

ACTION = "action"


def pairs_seen(verbs: np.ndarray, nouns: np.ndarray, *, num_nouns: int) -> tuple[int, ...]:
    """The pairs of some labels, each as verb * num_nouns + noun, ascending."""
    return tuple(np.unique(verbs * num_nouns + nouns).tolist())


def encode_pairs(verbs: np.ndarray, nouns: np.ndarray, pairs: Sequence[int], *, num_nouns: int) -> np.ndarray:
    """Class of each clip among `pairs`, int64; every clip's pair must be one of them."""
    return np.searchsorted(np.asarray(pairs), verbs * num_nouns + nouns).astype(np.int64)


class JointActions(nn.Module):
    """Marginals of pairs, and their mean with what the classifiers for verbs and nouns say. Has no parameters.

    Args:
        pairs: P numbers verb * num_nouns + noun, ascending.
        num_verbs: V.
        num_nouns: N.

    Raises:
        ValueError: No pairs, or some that are not of these classes.
    """

    verb_of_pair: Tensor
    noun_of_pair: Tensor

    def __init__(self, pairs: Sequence[int], *, num_verbs: int, num_nouns: int) -> None:
        super().__init__()
        ascending = all(a < b for a, b in zip(pairs, pairs[1:], strict=False))
        if not pairs or not ascending or pairs[0] < 0 or pairs[-1] >= num_verbs * num_nouns:
            raise ValueError(f"pairs must be ascending numbers of {num_verbs} verbs x {num_nouns} nouns")
        numbers = torch.tensor(pairs)
        one_hot = nn.functional.one_hot
        verbs, nouns = one_hot(numbers // num_nouns, num_verbs), one_hot(numbers % num_nouns, num_nouns)
        self.register_buffer("verb_of_pair", verbs.float(), persistent=False)
        self.register_buffer("noun_of_pair", nouns.float(), persistent=False)

    def marginals(self, logits: Tensor) -> dict[str, Tensor]:
        """(B, P) -> {"verb": log-probabilities (B, V), "noun": (B, N)}; very low for what is in no pair."""
        share = logits.softmax(1)
        smallest = torch.finfo(share.dtype).tiny
        said = {"verb": share @ self.verb_of_pair, "noun": share @ self.noun_of_pair}
        return {target: values.clamp_min(smallest).log() for target, values in said.items()}

    def combine(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"verb", "noun", "action"} logits -> log of the mean probability: {"verb": (B, V), "noun": (B, N)}."""
        marginals = self.marginals(logits[ACTION])
        both = {target: torch.stack([logits[target].log_softmax(1), said]) for target, said in marginals.items()}
        return {target: values.logsumexp(0) - math.log(2) for target, values in both.items()}
