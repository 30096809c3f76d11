"""From a run and labelled recordings to a run whose backbone has learned, too."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from egoact.adaptation.clip_frames import load_clip_frames
from egoact.adaptation.clip_inputs import Augment, ClipInputs, FreshFrames, keep_maps
from egoact.adaptation.finetuning import FinetuneRecipe, LabelledClips, TrainedPart, finetune
from egoact.adaptation.new_run import write_backbone, write_run
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.metrics.imbalance import count_classes
from egoact.core.progress import Progress
from egoact.core.sampling import ClipSampling
from egoact.media.sources import MediaRoot
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.registry import assemble, load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.trunks import Trunk
from egoact.models.classifier import encode_pairs
from egoact.models.names import ACTION
from egoact.runs.loading import Run
from egoact.runs.provenance import Provenance
from egoact.runs.recognizer import RecognizerConfig
from egoact.runs.streams import check_flow, load_spec, weights_of
from egoact.training.data import target_losses
from egoact.training.machine import Machine
from egoact.training.recipes import Recipe
from egoact.training.run_folder import is_leader, part_ways

LABEL_SMOOTHING = 0.1
_USUAL_BLOCKS = 2
_SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Finetuning:
    """One fine-tuning.

    Args:
        run: Of clips, on one stream of frames or stacks.
        root: Recordings of the table, or the flow of them.
        out: Folder of the new run.
        blocks: Of the backbone's blocks, how many of the last are trained; None: two, of a network of stacks all.
        augment: How frames are changed.
        num_views: Clips of a segment, at random times but for the first.
        recomputes: See `TrainedPart`.
        num_processes: Of this machine, that share every step, each with a device.
    """

    run: Run
    table: SegmentTable
    root: MediaRoot | FlowRoot
    out: Path
    blocks: int | None
    augment: Augment
    num_views: int
    recipe: FinetuneRecipe
    recomputes: bool = False
    num_processes: int = 1

    def go(self) -> int:
        """Train and write the run; gives how many segments cannot be read, which are left out.

        Raises:
            AnnotationError: Labels that the run does not know.
            ArtifactError: A run that cannot be fine-tuned, or a training that fails.
            MediaError: A recording that is missing.
            ValueError: More blocks than there are.
        """
        config = self.run.config
        spec = config.only_backbone(self.run.path, with_stacks=True)
        load_spec(spec, self.run.choice, run=self.run.path)
        if isinstance(self.root, FlowRoot):
            check_flow(self.root, self.table.video_ids, spec, run=self.run.path)
        weights = weights_of(self.run.path, self.run.choice)
        trunk = load_trunk(spec.name, weights=weights, size=spec.input_size[0], channels=spec.num_channels)
        frozen, blocks, pool = self._cut(trunk, spec)
        sampling = ClipSampling(config.num_frames, self.num_views)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        machine = Machine(devices=self.num_processes)
        if not is_leader():
            machine.meet()  # the first starts the others when it has decoded alone; they find what it made
        found = load_clip_frames(self.root, self.out, list(self.table), sampling, spec=spec)
        table = self.table.select(found.is_whole)
        clips = _label(config, table, found.rows[found.is_whole])
        inputs = self._inputs(found.frames, frozen, spec, device)
        if is_leader():
            machine.meet()
        counts = {target: count_classes(clips.labels[target], num_classes=n) for target, n in config.sizes.items()}
        follows = spec.stack > 1 and not frozen
        plain = Recipe(epochs=1, batch_size=1, learning_rate=1, label_smoothing=LABEL_SMOOTHING)
        model = self.run.recognizer.model
        part = TrainedPart(blocks, pool, model, follows=follows, recomputes=self.recomputes).to(device)
        progress = Progress("finetune", total=self.recipe.epochs * len(table), unit="clips")
        with progress if is_leader() else nullcontext():
            finetune(
                part,
                {target: loss.to(device) for target, loss in target_losses(plain, counts).items()},
                clips,
                inputs,
                self.recipe,
                is_mirrored=self.augment != "none",
                folder=self.out,
                advance=lambda done, note: progress.advance(done, note=note),
            )
        part_ways()
        if is_leader():
            part.cpu().requires_grad_(False)
            write_backbone(self.out, trunk, spec, made_by=f"egoact finetune --blocks {trunk.num_blocks - len(frozen)}")
            write_run(self.run, self.out, spec, provenance=self._provenance(table))
        return len(self.table) - len(table)

    def _cut(self, trunk: Trunk, spec: BackboneSpec) -> tuple[list[nn.Module], list[nn.Module], nn.Module]:
        """The backbone's blocks that stay, those that are trained with what follows them, and its pooling."""
        if not trunk.is_sequence:
            reason = f"{spec.name} is not made of blocks in a row, and cannot be fine-tuned"
            raise ArtifactError(reason, path=self.run.path)
        size, cut = spec.input_size[0], spec.cut
        whole = assemble(spec.name, trunk, cut=cut, size=size, kind=spec.kind, grid=spec.grid).module
        modules = list(whole.children())
        number, blocks = (trunk.num_blocks if cut is None else cut + 1), modules[: len(trunk.layers(cut))]
        usual = min(_USUAL_BLOCKS, number) if spec.stack == 1 else number
        trained = usual if self.blocks is None else self.blocks
        if not 1 <= trained <= number:
            possible = f"1 to {number} of the {number} blocks of {spec.name}"
            raise ValueError(f"--blocks {trained}: {possible} can be trained")
        first = number - trained
        return blocks[:first], blocks[first:], nn.Sequential(*modules[len(blocks) :])

    def _inputs(
        self, frames: np.ndarray, frozen: list[nn.Module], spec: BackboneSpec, device: torch.device
    ) -> ClipInputs:
        if self.augment == "full" or not frozen:
            is_changed = self.augment == "full"
            return FreshFrames(frames, nn.Sequential(*frozen), spec, device=device, is_changed=is_changed)
        return keep_maps(frames, frozen, spec, self.out, is_mirrored=self.augment == "flip")

    def _provenance(self, table: SegmentTable) -> Provenance:
        """What the run was trained on, and what it was now."""
        before, now = Provenance.read(self.run.path) or Provenance({}), Provenance.of(table, ())
        both = {v: [*before.training.get(v, []), *now.training.get(v, [])] for v in {*before.training, *now.training}}
        merged = {video: sorted(map(list, {tuple(span) for span in spans})) for video, spans in sorted(both.items())}
        return Provenance(merged, before.chosen_on)


def _label(config: RecognizerConfig, table: SegmentTable, rows: np.ndarray) -> LabelledClips:
    if not len(table):
        raise ValueError("there is not one clip to learn from")
    labels: dict[str, np.ndarray] = {}
    mirrored: dict[str, np.ndarray] = {}
    for target, vocabulary in config.vocabularies.items():
        labels[target] = vocabulary.encode(table, allow_unlabelled=False)
        mirrored[target] = mirror_classes(vocabulary.names)[labels[target]]
    if config.pairs:
        size = config.vocabularies["noun"].size
        labels[ACTION] = encode_pairs(labels["verb"], labels["noun"], config.pairs, num_nouns=size)
        unknown = ~np.isin(labels["verb"] * size + labels["noun"], config.pairs)
        if unknown.any():
            reason = "segments are of verb-noun pairs that the run's joint classifier does not know"
            raise ValueError(f"{unknown.sum()} {reason}")
        turned = encode_pairs(mirrored["verb"], mirrored["noun"], config.pairs, num_nouns=size)
        same = np.append(config.pairs, -1)[turned] == mirrored["verb"] * size + mirrored["noun"]
        mirrored[ACTION] = np.where(same, turned, -1)
    return LabelledClips(rows, labels, mirrored)


def mirror_classes(names: Sequence[str]) -> np.ndarray:
    """Class -> the class that its mirror image shows, int64; -1 where there is no such class.

    >>> mirror_classes(["cut", "turn left", "turn right", "left hand"]).tolist()
    [0, 2, 1, -1]
    """
    numbers = {name.casefold(): number for number, name in enumerate(names)}
    mirrored = [re.sub(r"\b(left|right)\b", lambda found: _SIDES[found[0]], name.casefold()) for name in names]
    return np.array([numbers.get(name, -1) for name in mirrored], dtype=np.int64)
