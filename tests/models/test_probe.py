"""The attentive probe against torch's own attention layers, and the layout in which probes are published."""

import pytest
import torch
from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier, JointActions
from egoact.models.heads.probe import ProbeHead
from egoact.models.published_probe import load_published_probe

pytestmark = pytest.mark.usefixtures("one_thread")
B, T, E, H = 3, 5, 16, 4
ACTIONS = ((1, 0), (0, 2), (2, 1), (0, 0))


def published_state(*, depth: int, seed: int) -> dict[str, Tensor]:
    """Random tensors of the names and shapes of a published probe."""
    generator = torch.Generator().manual_seed(seed)

    def layer(name: str, *shape: int) -> dict[str, Tensor]:
        sizes = {"weight": shape, "bias": shape[:1]}
        return {f"{name}.{part}": torch.randn(size, generator=generator) * 0.3 for part, size in sizes.items()}

    state = {"pooler.query_tokens": torch.randn(1, 3, E, generator=generator)}
    for number in range(depth - 1):
        block = f"pooler.blocks.{number}"
        state |= layer(f"{block}.norm1", E) | layer(f"{block}.norm2", E)
        state |= layer(f"{block}.attn.qkv", 3 * E, E) | layer(f"{block}.attn.proj", E, E)
        state |= layer(f"{block}.mlp.fc1", 4 * E, E) | layer(f"{block}.mlp.fc2", E, 4 * E)
    cross = "pooler.cross_attention_block"
    state |= layer(f"{cross}.norm1", E) | layer(f"{cross}.norm2", E)
    state |= layer(f"{cross}.xattn.q", E, E) | layer(f"{cross}.xattn.kv", 2 * E, E)
    state |= layer(f"{cross}.mlp.fc1", 4 * E, E) | layer(f"{cross}.mlp.fc2", E, 4 * E)
    for target, number in (("verb", 3), ("noun", 4), ("action", len(ACTIONS))):
        state |= layer(f"{target}_classifier", number, E)
    return {f"module.{name}": tensor for name, tensor in state.items()}


def answer_by_torch(state: dict[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    """What such a probe says of tokens (B, N, E), by torch's own layers."""
    own = {name.removeprefix("module.").removeprefix("pooler."): tensor for name, tensor in state.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        return nn.functional.layer_norm(x, (E,), own[f"{name}.weight"], own[f"{name}.bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ own[f"{name}.weight"].T + own[f"{name}.bias"]

    for number in range(sum(name.endswith("attn.qkv.bias") for name in own)):
        block = f"blocks.{number}"
        layer = nn.TransformerEncoderLayer(E, H, 4 * E, 0.0, "gelu", batch_first=True, norm_first=True)
        names = {
            "self_attn.in_proj_": f"{block}.attn.qkv.",
            "self_attn.out_proj.": f"{block}.attn.proj.",
            "linear1.": f"{block}.mlp.fc1.",
            "linear2.": f"{block}.mlp.fc2.",
            "norm1.": f"{block}.norm1.",
            "norm2.": f"{block}.norm2.",
        }
        layer.load_state_dict({mine + p: own[theirs + p] for mine, theirs in names.items() for p in ("weight", "bias")})
        tokens = layer(tokens)
    cross = "cross_attention_block"
    attention = nn.MultiheadAttention(E, H, batch_first=True)
    both = {p: torch.cat([own[f"{cross}.xattn.q.{p}"], own[f"{cross}.xattn.kv.{p}"]]) for p in ("weight", "bias")}
    own_projection = {"out_proj.weight": torch.eye(E), "out_proj.bias": torch.zeros(E)}
    attention.load_state_dict({f"in_proj_{p}": tensor for p, tensor in both.items()} | own_projection)
    queries, seen = own["query_tokens"].expand(len(tokens), -1, -1), norm(tokens, f"{cross}.norm1")
    queries = queries + attention(queries, seen, seen)[0]
    inner = nn.functional.gelu(linear(norm(queries, f"{cross}.norm2"), f"{cross}.mlp.fc1"))
    queries = queries + linear(inner, f"{cross}.mlp.fc2")
    return {t: linear(queries[:, i], f"{t}_classifier") for i, t in enumerate(("verb", "noun", "action"))}


def combined(said: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Verbs and nouns as the joint classifier makes them of several probes, whose log-probabilities are averaged."""
    mean = {t: torch.stack([each[t].log_softmax(1) for each in said]).mean(0) for t in said[0]}
    shares = {t: mean[t].softmax(1) for t in mean}
    for number, target in enumerate(("verb", "noun")):
        marginal = torch.zeros_like(shares[target])
        for row, pair in enumerate(ACTIONS):
            marginal[:, pair[number]] += shares["action"][:, row]
        mean[target] = (shares[target] + marginal) / 2
    return {t: mean[t] for t in ("verb", "noun")}


@pytest.mark.parametrize(("depth", "replicas"), [(1, 1), (4, 1), (2, 3)])
def test_published_probes_answer_as_torchs_own_attention_layers_do(depth: int, replicas: int) -> None:
    torch.manual_seed(0)
    states = [published_state(depth=depth, seed=seed) for seed in range(replicas)]
    tokens = torch.randn(B, T, 2, E)
    model = load_published_probe(states, num_frames=T, num_parts=2, num_heads=H, actions=ACTIONS)
    with torch.no_grad():
        found = {target: logits.softmax(1) for target, logits in model(tokens.flatten(2)).items()}
        expected = combined([answer_by_torch(state, tokens.flatten(1, 2)) for state in states])
    for target, shares in expected.items():
        torch.testing.assert_close(found[target], shares, rtol=1e-5, atol=1e-6)


def test_what_is_no_published_probe_is_refused_in_one_line() -> None:
    given = {"num_frames": T, "num_parts": 1, "num_heads": H}
    state = published_state(depth=2, seed=0)
    for spoil in (
        "module.pooler.query_tokens",
        "module.pooler.blocks.0.attn.qkv.bias",
        "module.verb_classifier.weight",
    ):
        lacking = {name: tensor for name, tensor in state.items() if name != spoil}
        with pytest.raises(ValueError, match=spoil.removeprefix("module.").removeprefix("pooler.")):
            load_published_probe([lacking], actions=ACTIONS, **given)
    with pytest.raises(ValueError, match="4 actions, of which 3 are named"):
        load_published_probe([state], actions=ACTIONS[:3], **given)


def test_each_stream_has_its_own_projection_and_each_part_its_place() -> None:
    torch.manual_seed(0)
    head = ProbeHead(feature_shape=(14,), num_frames=T, width=E, depth=2, streams=((6, 1), (8, 4)))
    assert [tuple(each.weight.shape) for each in head.probes[0].project] == [(E, 6), (E, 2)]
    features = torch.randn(B, T, 14)
    exchanged = features.clone()
    exchanged[:, :, 6:8], exchanged[:, :, 8:10] = features[:, :, 8:10], features[:, :, 6:8]
    assert (head(features) - head(exchanged)).abs().max() > 1e-4
    with torch.no_grad():
        head.probes[0].places.zero_()  # without places it is a set
    torch.testing.assert_close(head(features), head(exchanged))


def test_replicas_learn_apart_and_answer_together() -> None:
    torch.manual_seed(0)
    head = ProbeHead(feature_shape=(6,), num_frames=T, width=E, replicas=3)
    model = ActionClassifier(head, num_classes={"verb": 3, "noun": 4}, dropout=0.0, pairs=(0, 6, 11)).eval()
    features = torch.randn(B, T, 6)
    apart = model.supervised(features)
    assert [target for target, _ in apart] == [t for t in ("verb", "noun", "action") for _ in range(3)]
    said = {
        t: torch.stack([x.log_softmax(1) for name, x in apart if name == t]).mean(0) for t in ("verb", "noun", "action")
    }
    expected = JointActions((0, 6, 11), num_verbs=3, num_nouns=4).combine(said)
    torch.testing.assert_close(model(features)["verb"], expected["verb"])
    apart[0][1].sum().backward()
    touched = [probe.query_tokens.grad is not None and bool(probe.query_tokens.grad.any()) for probe in head.probes]
    assert touched == [True, False, False]


@pytest.mark.parametrize("options", [{"depth": 5}, {"width": 10}, {"streams": ((5, 1),)}, {"streams": ((6, 4),)}])
def test_impossible_probes_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ProbeHead(feature_shape=(6,), num_frames=T, **options)  # type: ignore[arg-type]
