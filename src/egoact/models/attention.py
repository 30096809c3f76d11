"""Attention blocks as vision transformers have them: pre-norm, one matrix for queries, keys and values.

Parameters are named as in the code of V-JEPA 2, so that its published weights fit.

Shapes: B clips, N tokens, Q queries, E width, h heads.

Sources: Dosovitskiy et al. 2021, arXiv:2010.11929; cross-attention without an output projection: arXiv:2506.09985.
"""

from torch import Tensor, nn

MLP_RATIO = 4  # width of the feed-forward layer by that of the tokens


class SelfAttentionBlock(nn.Module):
    """Self-attention, then a feed-forward layer; both normalise first and are added: (B, N, E) -> (B, N, E)."""

    def __init__(self, width: int, attention: nn.Module, *, inner: int | None = None, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, epsilon)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width, epsilon)
        self.mlp = FeedForward(width, inner or MLP_RATIO * width)

    def forward(self, tokens: Tensor, *given: Tensor | None) -> Tensor:
        """What else is given is for the attention."""
        tokens = tokens + self.attn(self.norm1(tokens), *given)
        return tokens + self.mlp(self.norm2(tokens))


class CrossAttentionBlock(nn.Module):
    """Queries look at tokens, then pass a feed-forward layer: (B, Q, E) and (B, N, E) -> (B, Q, E)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.xattn = CrossAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, MLP_RATIO * width)

    def forward(self, queries: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: D102
        queries = queries + self.xattn(queries, self.norm1(tokens), bias)
        return queries + self.mlp(self.norm2(queries))


class SelfAttention(nn.Module):
    """Multi-head self-attention.

    `bias`, (B, 1, 1, N), is added to the scores of keys: very low for tokens that are not there.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, bias: Tensor | None) -> Tensor:  # noqa: D102
        query, key, value = (_split(part, self.num_heads) for part in self.qkv(tokens).chunk(3, 2))
        return self.proj(_attend(query, key, value, bias))


class CrossAttention(nn.Module):
    """Multi-head attention of queries to tokens; there is no output projection."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)

    def forward(self, queries: Tensor, tokens: Tensor, bias: Tensor | None) -> Tensor:  # noqa: D102
        key, value = (_split(part, self.num_heads) for part in self.kv(tokens).chunk(2, 2))
        return _attend(_split(self.q(queries), self.num_heads), key, value, bias)


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(inner, width)


def _split(x: Tensor, num_heads: int) -> Tensor:
    """(B, N, E) -> (B, h, N, E / h)."""
    return x.reshape(*x.shape[:2], num_heads, -1).transpose(1, 2)  # `unflatten` would export a fixed batch


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return seen.transpose(1, 2).flatten(2)
