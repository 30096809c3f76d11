"""Training a segmenter on recordings, and what segmenters say of recordings that they were not trained on."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.timelines.files import class_names, timelines_of
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.timeline import Timeline, shift
from egoact.core.timelines.viterbi import Floats, Run, learn_grammar
from egoact.models.detectors import DetectorModel
from egoact.models.names import DETECTOR
from egoact.models.segmenters import NETWORKS, DenseModel, LinearDesign, LinearSegmenter
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter
from egoact.training.segmentation.fit import fit_segmenter
from egoact.training.segmentation.recipe import SegmenterRecipe
from egoact.training.segmentation.recordings import LabelledStretch, design_linear, fit_narrow

MOST_FOLDS = 4
MOST_TUNING_VIDEOS = 40


@dataclass(frozen=True)
class SegmenterTraining:
    """What all trainings of a run have in common."""

    config: SegmenterConfig
    recipe: SegmenterRecipe  # of networks
    stretches: Sequence[LabelledStretch]  # the training recordings
    seed: int  # of initial weights, and of the order and warps of recordings
    advance: Callable[[int], None] = lambda _: None  # called with numbers of updates as they are done

    def fit(self, *, without: Collection[str] = (), members: int | None = None) -> TrainedSegmenter:
        """Train without some recordings; of a network so many members, by default as many as the run has.

        Raises:
            ArtifactError: Features that are not finite.
        """
        config = replace(self.config, members=members or self.config.members)
        if not _is_network(config):
            chosen = [number for number, each in enumerate(self.stretches) if each.video_id not in without]
            linear = self._design.fit(chosen)
            self.advance(1)
            return TrainedSegmenter(config, linear)
        stretches = [each for each in self.stretches if each.video_id not in without]
        torch.manual_seed(self.seed)
        model = config.build()
        assert isinstance(model, DenseModel | DetectorModel)
        fit_narrow(model.narrow, stretches, seed=self.seed)
        examples = [e for each in stretches for e in each.examples(model.narrow, stride=config.stride)]
        for number, member in enumerate(model.segmenters):
            seed = self.seed + 1000 * number
            model.members[number] = fit_segmenter(
                member, examples, sizes=config.sizes, recipe=self.recipe, seed=seed, advance=self.advance
            )
        return TrainedSegmenter(config, model)

    @property
    def num_folds(self) -> int:
        """Groups of recordings that `hold_out` leaves out in turn; none of a single recording."""
        num_videos = len({each.video_id for each in self.stretches})
        return min(MOST_FOLDS, num_videos) if num_videos > 1 else 0

    def hold_out(self, table: SegmentTable) -> Iterator["HeldOut"]:
        """Every training recording, answered by a segmenter of one member that was trained on others."""
        videos = list(dict.fromkeys(each.video_id for each in self.stretches))
        for first in range(self.num_folds):
            fold = videos[first :: self.num_folds]
            fitted = self.fit(without=fold, members=1)
            seen = table.select(lambda segment, fold=fold: segment.video_id not in fold)
            yield from answer_held_out(fitted, [each for each in self.stretches if each.video_id in fold], table, seen)

    def count_updates(self, num_folds: int) -> int:
        """How often `advance` will be called: for the folds, and for the run."""
        is_network = _is_network(self.config)
        return self.recipe.updates * (num_folds + self.config.members) if is_network else num_folds + 1

    @cached_property
    def _design(self) -> LinearDesign:
        model = self.config.build()
        assert isinstance(model, LinearSegmenter)
        return design_linear(model, self.stretches, stride=self.config.stride, seed=self.seed)


def _is_network(config: SegmenterConfig) -> bool:
    return config.segmenter == DETECTOR or config.segmenter in NETWORKS


@dataclass(frozen=True)
class HeldOut:
    """A recording, and what a segmenter that has not seen it says of it."""

    scores: Mapping[str, Floats]  # target -> log-probabilities of every step, background last
    truth: Timeline
    seen: SegmentTable  # what the segmenter was trained on
    begin_seconds: float = 0.0  # where in the recording the steps begin, whose times count from there


def answer_held_out(
    fitted: TrainedSegmenter, stretches: Sequence[LabelledStretch], table: SegmentTable, seen: SegmentTable
) -> Iterator[HeldOut]:
    """What a segmenter says of recordings that it was not trained on; of parts of recordings, of each part."""
    config = fitted.config
    rate = config.rate / config.stride
    for each in stretches[:MOST_TUNING_VIDEOS]:
        steps = np.arange(0, len(each.stretch), config.stride)
        begin = each.stretch.first_step / config.rate
        end = begin + len(steps) / rate
        inside = table.select(
            lambda s, v=each.video_id, a=begin, b=end: s.video_id == v and s.stop_seconds > a and s.start_seconds < b
        )
        if not len(inside):
            continue
        names = {target: class_names(inside, vocabulary) for target, vocabulary in config.vocabularies.items()}
        truth = shift(timelines_of(inside, names=names)[each.video_id], begin, duration=len(steps) / rate)
        yield HeldOut(fitted.score(each.stretch[steps]), truth, seen, begin)


def learn_rules(table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int) -> TimelineRules:
    """What labels say: which actions there are, how many of `rate` steps a second they last, and what follows what."""
    ids = np.stack([v.encode(table, allow_unlabelled=False) for v in vocabularies.values()], axis=1)
    actions, states = np.unique(ids, axis=0, return_inverse=True)
    # Actions that share the first target's class, the verb where there is one, follow each other in the same way.
    _, groups = np.unique(actions[:, 0], return_inverse=True)
    tracks: dict[str, list[Run]] = {}
    for segment, state in zip(table, states.reshape(-1).tolist(), strict=True):
        start, stop = (round(seconds * rate) for seconds in (segment.start_seconds, segment.stop_seconds))
        tracks.setdefault(segment.video_id, []).append((start, max(stop, start + 1), state + 1))
    return TimelineRules(
        rate=rate,
        targets=tuple(vocabularies),
        actions=tuple(tuple(action) for action in actions.tolist()),
        grammar=learn_grammar([sorted(track) for track in tracks.values()], np.append(0, groups.reshape(-1) + 1)),
    )
