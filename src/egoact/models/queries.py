"""Classifiers of heads with a query for each target, such as `probe`: each reads what its own query has seen.

Shapes: B clips, R replicas, Q queries, E width, K classes.
"""

import math

import torch
from torch import Tensor, nn


class QueryClassifier(nn.Module):
    """A linear classifier a replica on one query; the mean of their log-probabilities where there are several.

    Args:
        width: Of the embedding, R * Q * E.
        num_classes: K.
        query: Number of the query that it reads.
        num_queries: Q.
        num_replicas: R.
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
