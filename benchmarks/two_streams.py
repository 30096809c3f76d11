"""What one stream gets right that another one does not, and what fusing their scores could reach.

    python benchmarks/two_streams.py --gtea FOLDER --out FOLDER [--first NAME] [--second NAME] [--seed 0]

Looks at what `benchmarks/systems.py` trained with the same --gtea and --out; NAMEs are rows of its table. Fused are log
probabilities. The best weight is chosen with sight of the answers: no way to choose one can do better.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from systems import OTHERS, Data, gtea

from egoact.reproduction.systems import SYSTEMS
from egoact.runs.loading import load_run


@dataclass(frozen=True)
class Settings:
    """What to compare."""

    gtea: Path
    """As of systems.py."""
    out: Path
    """As of systems.py."""
    first: str = "difference on rgb, ridge"
    """A row of its table."""
    second: str = "difference on flow, ridge"
    """Another one."""
    seed: int = 0
    """Of the trainings."""


def say(data: Data, name: str, seed: int) -> list[np.ndarray]:
    """Log probabilities of the verbs, (N, K), for each recording that was left out."""
    said = []
    for part, (_, asked) in data.parts.items():
        run = data.work / "runs" / f"{name.replace(' ', '-')}-{seed}-{part}"
        system = (OTHERS | SYSTEMS)[name]
        made = list(system.commands(segments=data.folder, media=data.folder, out=data.work, run=run))
        scores = load_run(run).score(asked, made[-1][1]["features"]).verb
        assert scores is not None
        said.append(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
    return said


def main(settings: Settings) -> None:
    data = gtea(settings.gtea, settings.out / "gtea")
    vocabulary = data.vocabularies["verb"]
    labels = np.concatenate([vocabulary.encode(asked) for _, asked in data.parts.values()])
    first, second = (np.concatenate(say(data, name, settings.seed)) for name in (settings.first, settings.second))
    one, two = (scores.argmax(1) == labels for scores in (first, second))
    for title, right in (
        (settings.first, one),
        (settings.second, two),
        ("both", one & two),
        ("the first alone", one & ~two),
        ("the second alone", two & ~one),
        ("one of them", one | two),
    ):
        print(f"{title}: {right.sum()} of {len(labels)} ({100 * right.mean():.1f} %)")
    found = {w: int((((1 - w) * first + w * second).argmax(1) == labels).sum()) for w in np.arange(41) / 40}
    best = max(found.values())
    weights = [w for w, right in found.items() if right == best]
    for title, right in (
        ("weights 1 : 1", found[0.5]),
        ("weights 1 : 1.5, as in the paper", found[0.6]),
        (f"best weight of the second, {weights[0]:.3f} to {weights[-1]:.3f}", best),
    ):
        print(f"{title}: {right} ({100 * right / len(labels):.1f} %)")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
