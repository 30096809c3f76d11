"""A temporal head with one linear classifier a target: the part of a recognizer that is trained.

Shapes: B clips, T frames, E embedding width, K classes; P pairs, V verbs, N nouns; R replicas, Q queries of a head.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.fusion import LateClassifier, LateFusion
from egoact.models.heads import Head
from egoact.models.heads.head import Standardize, without_absent
from egoact.models.names import ACTION


class ActionClassifier(nn.Module):
    """features ──► head ──► dropout ──► linear for verbs, linear for nouns.

    After a `LateFusion` each store has its own linear classifiers. `num_classes` has the targets, "verb" and "noun";
    `pairs` those of a third, joint classifier (see `JointActions`), if any.
    """

    def __init__(
        self, head: Head, *, num_classes: Mapping[str, int], dropout: float = 0.5, pairs: Sequence[int] = ()
    ) -> None:
        super().__init__()
        if not num_classes:
            raise ValueError("there is nothing to classify: no targets")
        if pairs and num_classes.keys() != {"verb", "noun"}:
            raise ValueError(f"joint actions need verbs and nouns, there are {', '.join(num_classes)}")
        self.head = head
        self.num_classes = dict(num_classes)
        self.dropout = nn.Dropout(dropout)
        sizes = self.num_classes | ({ACTION: len(pairs)} if pairs else {})
        self.classifiers = nn.ModuleDict({name: _classifier(head, name, number) for name, number in sizes.items()})
        self.joint = None
        if pairs:
            self.joint = JointActions(pairs, num_verbs=num_classes["verb"], num_nouns=num_classes["noun"])
        self._is_frozen = False
        self._zero_if_linear()

    def _zero_if_linear(self) -> None:
        if next(self.head.parameters(), None) is not None:
            return
        # The model is linear and its loss convex: starting at zero adds no noise that weak gradients never undo.
        # On five real videos this is worth 5 to 9 points, and three times less spread over seeds.
        for parameter in self.classifiers.parameters():
            nn.init.zeros_(parameter)

    def freeze_head(self) -> None:
        """From now on only the classifiers are trained, from a new start; the head is used as it is, in eval mode."""
        self._is_frozen = True
        self.head.requires_grad_(False).eval()
        self.classifiers.requires_grad_(True)
        for classifier in self.classifiers.values():
            classifier.reset_parameters()  # pyrefly: ignore[not-callable]
        self._zero_if_linear()

    def train(self, mode: bool = True) -> "ActionClassifier":  # noqa: D102
        super().train(mode)
        if self._is_frozen:
            self.head.eval()
        return self

    def forward(self, features: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """(B, T, ...) -> {"verb": logits (B, num_verbs), "noun": ...}."""
        return self.classify(self.embed(features, mask))

    def embed(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, ...) -> (B, E), what the classifiers see; with dropout in training."""
        return self.dropout(self.head(without_absent(features, mask), mask))

    def classify(self, embedding: Tensor) -> dict[str, Tensor]:
        """What the head made, (B, E), to logits."""
        logits = {target: classifier(embedding) for target, classifier in self.classifiers.items()}
        return logits if self.joint is None else self.joint.combine(logits)

    def supervised(self, features: Tensor, mask: Tensor | None = None) -> list[tuple[str, Tensor]]:
        """Everything that a loss is put on in training, as (target, logits); targets are those of the classifiers."""
        return self.supervise(self.embed(features, mask))

    def supervise(self, embedding: Tensor) -> list[tuple[str, Tensor]]:
        """The same, from what `embed` made, (B, E)."""
        found: list[tuple[str, Tensor]] = []
        for target, classifier in self.classifiers.items():
            if isinstance(classifier, LateClassifier | QueryClassifier):
                found += [(target, logits) for logits in classifier.supervised(embedding)]
            else:
                found.append((target, classifier(embedding)))
        return found

    def observe(self, batches: Iterable[Tensor]) -> None:
        """Take the statistics of every `Standardize` from training features; call once, before training."""
        parts = [module for module in self.modules() if isinstance(module, Standardize)]
        if not parts:
            return
        was_training = self.training
        self.eval()
        for part in parts:
            part.begin()
        with torch.no_grad():
            for features in batches:
                self.head(features)
        for part in parts:
            part.end()
        self.train(was_training)

    @property
    def num_trainable(self) -> int:
        """How many parameters training changes."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _classifier(head: Head, name: str, num_classes: int) -> nn.Module:
    if isinstance(head, LateFusion):
        return LateClassifier(head.widths, num_classes)
    if name in head.queries:
        number, count = head.queries.index(name), len(head.queries)
        return QueryClassifier(head.width, num_classes, query=number, num_queries=count, num_replicas=head.num_replicas)
    return nn.Linear(head.width, num_classes)


class QueryClassifier(nn.Module):
    """A classifier for heads with a query for each target, such as `probe`: it reads what its own query has seen.

    It is linear, one a replica; the mean of their log-probabilities where there are several. `width` is that of the
    embedding, R * Q * E.
    """

    def __init__(self, width: int, num_classes: int, *, query: int, num_queries: int, num_replicas: int) -> None:
        super().__init__()
        self.query, self.num_queries, self.num_replicas = query, num_queries, num_replicas
        self.weight = nn.Parameter(torch.empty(num_replicas, num_classes, width // (num_queries * num_replicas)))
        self.bias = nn.Parameter(torch.empty(num_replicas, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A new start, as of `torch.nn.Linear`."""
        most = 1 / math.sqrt(self.weight.shape[2])
        nn.init.uniform_(self.weight, -most, most)
        nn.init.uniform_(self.bias, -most, most)

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, R * Q * E) -> logits (B, K)."""
        apart = self.supervised(embedding)
        return apart[0] if len(apart) == 1 else torch.stack([each.log_softmax(1) for each in apart]).mean(0)

    def supervised(self, embedding: Tensor) -> list[Tensor]:
        """What each replica says, which is what learns from the labels: R logits (B, K)."""
        seen = embedding.reshape(-1, self.num_replicas, self.num_queries, self.weight.shape[2])[:, :, self.query]
        return [
            nn.functional.linear(seen[:, replica], self.weight[replica], self.bias[replica])
            for replica in range(self.num_replicas)
        ]


def pairs_seen(verbs: np.ndarray, nouns: np.ndarray, *, num_nouns: int) -> tuple[int, ...]:
    """The pairs of some labels, each as verb * num_nouns + noun, ascending."""
    return tuple(np.unique(verbs * num_nouns + nouns).tolist())


def encode_pairs(verbs: np.ndarray, nouns: np.ndarray, pairs: Sequence[int], *, num_nouns: int) -> np.ndarray:
    """Class of each clip among `pairs`, int64; every clip's pair must be one of them."""
    return np.searchsorted(np.asarray(pairs), verbs * num_nouns + nouns).astype(np.int64)


class JointActions(nn.Module):
    """A third classifier, for whole actions: verb-noun pairs seen in training, marginalised to verbs and to nouns.

        P(verb) = sum of P(pair) over the pairs that have it        answer = (own classifier + marginal) / 2

    It knows which verbs go with which nouns; the two other classifiers know classes and pairs that it has never seen.
    `pairs` are P numbers verb * num_nouns + noun, ascending. Has no parameters.
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
