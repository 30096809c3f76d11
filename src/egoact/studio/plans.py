"""What a person asks for, as command lines to be run in the project's folder."""

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS, Target
from egoact.core.files import write_atomically
from egoact.media.sources import MediaSource
from egoact.studio.refusal import Refusal
from egoact.studio.schemas import jobs as asked
from egoact.studio.work.jobs import Plan
from egoact.studio.workspace import Workspace

_STREAMS = ("rgb", "grid", "motion")
_CAUSAL_STREAMS = ("rgb", "motion")


def make_plans(workspace: Workspace, request: asked.JobRequest) -> list[Plan]:
    """The jobs of a request; a `Refusal` where they could not even begin."""
    made = _PLANS[type(request)](workspace, request)
    return made if isinstance(made, list) else [made]


def _extract(workspace: Workspace, streams: Sequence[str], labels: str | None = None) -> Plan:
    if not workspace.recordings.find_all()[0]:
        raise Refusal(409, "there are no recordings yet")
    media = map(workspace.project.words, workspace.project.media_folders)
    words = ["egoact", "extract", "--media", *media, "--features", "features", "--streams", *streams]
    if labels is not None:
        words += ["--segments", labels, "--recordings"]
    return Plan("extract", "Features of recordings", words)


def _train(workspace: Workspace, request: asked.TrainJob) -> list[Plan]:
    name = request.run or _next_name(workspace.project.runs)
    while request.run is None and workspace.jobs.unfinished("train", name) is not None:
        name = f"run-{int(name.removeprefix('run-')) + 1}"
    if (workspace.project.runs / name).exists() or workspace.jobs.unfinished("train", name) is not None:
        raise Refusal(409, f"there is a run called '{name}' already")
    out = ["--run", f"runs/{name}"]
    extract, flags = _lesson(workspace, request, request.recordings, name=f"run_{name}", out=out)
    words = ["egoact", "train-timeline", *flags]
    return [extract, Plan("train", f"Train {name}", words, subject=name, follows=True)]


def _learning_curve(workspace: Workspace, request: asked.LearningCurveJob) -> list[Plan]:
    out = ["--out", f"studio/learning_curves/{request.annotator}"]
    extract, flags = _lesson(workspace, request, None, name=f"curve_{request.annotator}", out=out)
    words = ["egoact", "learning-curve", *flags]
    title = f"How much to label ({request.annotator})"
    return [extract, Plan("learning_curve", title, words, subject=request.annotator, follows=True)]


def _lesson(
    workspace: Workspace,
    request: asked.TrainJob | asked.LearningCurveJob,
    wanted: Iterable[str] | None,
    *,
    name: str,
    out: Sequence[str],
) -> tuple[Plan, list[str]]:
    """The extraction that it needs, and the flags that a command learns by.

    Labels are the annotator's own file; or, in a file beside it, those rows of some recordings that have words.
    """
    annotator, labels = request.annotator, workspace.labels
    labels.check(annotator)
    labels.files.write_now(annotator)
    segments = labels.read(annotator).segments
    named = [s for s in segments if s.verb or s.noun]
    chosen = _recordings_to_learn(workspace, annotator, {s.recording_id for s in named}, wanted)
    of_them = [s for s in named if s.recording_id in chosen]
    targets: tuple[Target, ...] = tuple(t for t in TARGETS if all(getattr(s, t) for s in of_them))
    if not targets:  # some have a verb alone, others a noun alone
        targets = (max(TARGETS, key=lambda t: sum(bool(getattr(s, t)) for s in of_them)),)
    kept = {s.id for s in of_them if all(getattr(s, t) for t in targets)}
    is_whole = kept == {s.id for s in segments}
    path = f"labels/{annotator}.csv" if is_whole else _select(workspace, annotator, kept, name=name)
    streams = _CAUSAL_STREAMS if request.segmenter.startswith("causal") else _STREAMS
    flags = ["--segments", path, "--features", "features", *out, "--streams", *streams]
    flags += ["--segmenter", request.segmenter]
    if any(getattr(s, t) for s in of_them for t in TARGETS if t not in targets):
        flags += ["--targets", *targets]
    flags += [*_class_words(workspace), *(["--labelled-only"] if request.labelled_only else [])]
    return _extract(workspace, streams, path), flags


def _select(workspace: Workspace, annotator: str, ids: Collection[str], *, name: str) -> str:
    """Some of somebody's segments as a CSV of their own; its path as the project's folder sees it."""
    folder = workspace.project.own / "selections"
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{name}.csv", workspace.labels.files.select(annotator, ids))
    return f"studio/selections/{name}.csv"


def _predict(workspace: Workspace, request: asked.PredictJob) -> Plan:
    workspace.runs.find(request.run)
    sources, _ = workspace.recordings.find_all()
    wanted = request.recordings
    if wanted is None:
        facts = workspace.recordings.facts()
        wanted = [name for name in sources if not facts.get(name, {}).get("is_labelled")]
    if missing := [name for name in wanted if name not in sources]:
        raise Refusal(404, f"there is no recording called '{missing[0][:80]}'")
    if not wanted:
        raise Refusal(409, "every recording is labelled; there is nothing to propose")
    paths = {name: sources[name].path for name in wanted}
    words = ["egoact", "predict", *_videos_to_predict(workspace, paths)]
    out = f"timelines/{request.run}" + (f"/{wanted[0]}" if len(wanted) == 1 else "")
    words += ["--run", f"runs/{request.run}", "--out", out, "--no-proxy"]
    title = f"Propose by {request.run}: {len(wanted)} recordings" if len(wanted) > 1 else f"Propose for {wanted[0]}"
    return Plan("predict", title, [*words, *(["--hands"] if request.hands else [])], subject=request.run)


def _videos_to_predict(workspace: Workspace, paths: dict[str, Path]) -> list[str]:
    """One file, the folder of all of them, or a folder of links to some."""
    if len(paths) == 1:
        return [workspace.project.words(next(iter(paths.values())))]
    everything = {source.path for source in workspace.recordings.find_all()[0].values()}
    if not workspace.project.media and set(paths.values()) == everything:
        return ["recordings"]
    folder = workspace.project.own / "selections" / _next_name(workspace.project.own / "selections", "selection")
    folder.mkdir(parents=True)
    for name, path in paths.items():
        link = folder / f"{name}{path.suffix}"
        try:
            link.symlink_to(path)
        except OSError:  # a system, or a user, that may not make links
            shutil.copyfile(path, link)
    return [workspace.project.words(folder)]


def _evaluate(workspace: Workspace, request: asked.EvaluateJob) -> Plan:
    """On recordings that are labelled from beginning to end, and that the run did not learn from."""
    workspace.runs.find(request.run)
    segments = workspace.labels.read(request.annotator).segments
    proposed = workspace.runs.timelines(request.run).keys() - workspace.runs.learned_from(request.run)
    complete = {name for name, facts in workspace.recordings.facts().items() if facts["is_labelled"]}
    kept = {s.id for s in segments if (s.verb or s.noun) and s.recording_id in proposed & complete}
    if not kept:
        reason = f"{request.annotator} has labelled no recording to its end that {request.run} proposed for"
        raise Refusal(409, f"{reason} and did not learn from")
    path = _select(workspace, request.annotator, kept, name=f"evaluate_{request.run}")
    words = ["egoact", "evaluate", "--timeline", f"timelines/{request.run}"]
    words += ["--segments", path, "--out", f"studio/evaluations/{request.run}"]
    return Plan("evaluate", f"Measure {request.run}", words, subject=request.run)


def _export(workspace: Workspace, request: asked.ExportJob) -> Plan:
    workspace.runs.find(request.run)
    annotators = [name for name in workspace.labels.files.annotators() if workspace.labels.describe(name).num_segments]
    if not annotators:
        raise Refusal(409, "an export is proven on labelled clips, and there are none")
    workspace.labels.files.write_now(annotators[0])
    words = ["egoact", "export", "--run", f"runs/{request.run}", "--out", f"exports/{request.run}-{request.format}"]
    media = map(workspace.project.words, workspace.project.media_folders)
    words += ["--segments", f"labels/{annotators[0]}.csv", "--media", *media, "--format", request.format]
    return Plan("export", f"Export {request.run}", words, subject=request.run)


def _playable(workspace: Workspace, request: asked.PlayableJob) -> Plan:
    source = workspace.recordings.find(request.recording)
    if workspace.recordings.playable(source) is not None:
        raise Refusal(409, "browsers play this recording already")
    if workspace.jobs.unfinished("playable", source.video_id) is not None:
        raise Refusal(409, "a copy of this recording is made already")
    words = _copy_words(workspace, source, is_quick=False)
    return Plan("playable", f"A copy of {source.video_id} for browsers", words, subject=source.video_id)


def _quick(workspace: Workspace, request: asked.QuickJob) -> Plan:
    source = workspace.recordings.find(request.recording)
    if workspace.recordings.quick(source) is not None or workspace.jobs.unfinished("quick", source.video_id):
        raise Refusal(409, "there is a quick copy of this recording, or it is being made")
    words = [*_copy_words(workspace, source, is_quick=True), "--quick"]
    return Plan("quick", f"Quick steps in {source.video_id}", words, subject=source.video_id)


def _copy_words(workspace: Workspace, source: MediaSource, *, is_quick: bool) -> list[str]:
    copy = workspace.project.words(workspace.recordings.copy_path(source, is_quick=is_quick))
    return ["python", "-m", "egoact.studio.media.playable", workspace.project.words(source.path), copy]


def _blur(workspace: Workspace, request: asked.BlurJob) -> Plan:
    """By the masks beside the copy, where there are some; what a person marked stays when faces are looked for."""
    source = workspace.recordings.find(request.recording)
    name = f"{source.video_id}_blurred.mp4"
    has_copy = request.is_again and (workspace.project.recordings / name).exists()
    copy = workspace.project.recordings / name if has_copy or request.review else workspace.recordings.reserve(name)
    words = ["egoact", "blur", workspace.project.words(source.path), "--out", workspace.project.words(copy)]
    masks = copy.with_suffix(".json")
    words += ["--review"] if request.review else []
    words += ["--masks", workspace.project.words(masks)] if masks.exists() else []
    words += ["--overwrite"] if has_copy or (request.review and masks.exists()) else []
    if any(not start < stop for start, stop in request.hide):
        raise Refusal(400, "a stretch to hide stops after its start")
    words += ["--hide", *(f"{start:g}-{stop:g}" for start, stop in request.hide)] if request.hide else []
    title = f"Look for faces in {source.video_id}" if request.review else f"A copy of {source.video_id} without faces"
    return Plan("blur", title, words, subject=source.video_id)


def _recordings_to_learn(
    workspace: Workspace, annotator: str, labelled: set[str], wanted: Iterable[str] | None
) -> set[str]:
    """Those that are asked for; else those that are labelled from beginning to end, or all if there are none."""
    here = labelled & workspace.recordings.find_all()[0].keys()
    if wanted is not None:
        if missing := set(wanted) - here:
            raise Refusal(409, f"'{min(missing)}' has no labels of {annotator}, or is not here")
        return set(wanted)
    facts = workspace.recordings.facts()
    complete = {one for one in here if facts.get(one, {}).get("is_labelled")}
    if not here:
        raise Refusal(409, f"{annotator} has labelled nothing yet")
    return complete or here


def _class_words(workspace: Workspace) -> list[str]:
    """The class files, where there are some for every target that is labelled."""
    sets = workspace.classes.sets()
    entries = zip(TARGETS, (sets.verbs, sets.nouns), strict=True)
    used = [target for target, words in entries if any(word.num_segments for word in words)]
    return ["--classes", "classes"] if used and all(map(workspace.classes.vocabulary, used)) else []


def _next_name(folder: Path, kind: str = "run") -> str:
    """`run-1`, `run-2`, ...: one above the highest."""
    stems = [path.stem.removeprefix(f"{kind}-") for path in folder.iterdir()] if folder.is_dir() else []
    return f"{kind}-{max((int(stem) for stem in stems if stem.isdecimal()), default=0) + 1}"


_PLANS: dict[type, Callable[[Workspace, Any], Plan | list[Plan]]] = {
    asked.ExtractJob: lambda workspace, request: _extract(workspace, request.streams),
    asked.TrainJob: _train,
    asked.PredictJob: _predict,
    asked.EvaluateJob: _evaluate,
    asked.ExportJob: _export,
    asked.LearningCurveJob: _learning_curve,
    asked.PlayableJob: _playable,
    asked.QuickJob: _quick,
    asked.BlurJob: _blur,
}
