"""The built-in kitchen: what it writes is consistent, deterministic, and hard in the way that it should be."""

import csv
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.commands.data.kitchen import KitchenSettings, kitchen
from egoact.core.annotations.labels import read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.kitchen import MIN_VIDEOS, make_kitchen
from egoact.kitchen.cook.grips import GRIPS
from egoact.kitchen.cook.head import HEIGHT, WIDTH, Head
from egoact.kitchen.cook.motion import ease, value_at
from egoact.kitchen.drawing.camera import Camera, look_at
from egoact.kitchen.film import FRAMES_PER_SECOND, Film
from egoact.kitchen.labels import NOUNS, REVERSED_PAIRS, VERBS
from egoact.kitchen.make import plan_recordings
from egoact.kitchen.recording import Recording, record, timestamp
from egoact.kitchen.rooms.places import stance
from egoact.kitchen.rooms.scene import FIXTURES, Scene
from egoact.kitchen.rooms.styles import STYLES
from egoact.kitchen.script.actions import ScriptedAction
from egoact.kitchen.script.activity import write_script
from egoact.kitchen.script.choreography import backwards, swing, take
from egoact.kitchen.script.keyframes import pose_at

NUM_STORIES = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kitchen")
    make_kitchen(out, num_videos=2, seed=5, workers=1, segments_per_video=2)
    return out


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(STYLES[0])


@pytest.fixture(scope="module")
def stories(scene: Scene) -> list[list[ScriptedAction]]:
    return [write_script(scene, np.random.default_rng(seed), num_acts=16, turn=seed) for seed in range(NUM_STORIES)]


def _videos(out: Path) -> list[Path]:
    return sorted(out.glob("videos/*/videos/*.MP4"))


def _decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_writes_epic_layout(made: Path) -> None:
    assert [p.relative_to(made).as_posix() for p in _videos(made)] == [
        "videos/P01/videos/P01_01.MP4",
        "videos/P06/videos/P06_01.MP4",
    ]
    assert {p.name for p in made.iterdir()} == {
        "videos",
        "train.csv",
        "validation.csv",
        "verb_classes.csv",
        "noun_classes.csv",
        "kitchen.json",
    }


@pytest.mark.parametrize("split", ["train", "validation"])
def test_segments_are_consistent(made: Path, split: str) -> None:
    table = read_segments(made / f"{split}.csv")
    verbs, nouns = read_vocabulary(made, "verb"), read_vocabulary(made, "noun")
    assert verbs.encode(table).min() >= 0
    assert nouns.encode(table).min() >= 0
    frames = {p.stem: _count_frames(p) for p in _videos(made)}
    for segment in table:
        assert 0 <= segment.start_seconds < segment.stop_seconds <= frames[segment.video_id] / FRAMES_PER_SECOND
        assert segment.verb == verbs.names[segment.verb_class or 0]
        assert segment.noun == nouns.names[segment.noun_class or 0]
        assert segment.start_frame == int(round(segment.start_seconds * 60, 6))
    for before, after in pairwise(table):
        assert before.video_id != after.video_id or before.stop_seconds <= after.start_seconds


def test_class_files_have_categories(made: Path) -> None:
    for target, classes in (("verb", VERBS), ("noun", NOUNS)):
        vocabulary = read_vocabulary(made, target)  # type: ignore[arg-type]
        assert vocabulary.names == tuple(classes)
        assert vocabulary.categories == tuple(classes.values())


def test_videos_have_the_promised_size_and_rate(made: Path) -> None:
    for path in _videos(made):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height) == ("h264", WIDTH, HEIGHT)
            assert stream.average_rate == FRAMES_PER_SECOND
            times = [frame.time for frame in container.decode(stream)]
        assert np.allclose(times, np.arange(len(times)) / FRAMES_PER_SECOND)


def test_completes_what_was_left_with_the_bytes_of_other_processes(made: Path, tmp_path: Path) -> None:
    """In workers, which may be used by a script without a main guard."""
    first, second = _videos(made)
    script, out = tmp_path / "script.py", tmp_path / "out"
    copy = out / first.relative_to(made)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"not rendered again")
    (copy.parent / "P01_01.MP4.4711.part").write_bytes(b"left by a killed run")
    (out / "kitchen.json").write_bytes((made / "kitchen.json").read_bytes())
    script.write_text(
        "from egoact.kitchen import make_kitchen\n"
        f"make_kitchen({str(out)!r}, num_videos=2, seed=5, segments_per_video=2, progress=print)\n"
        "print(__file__)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["1 2", "2 2", str(script)]), done.stderr
    assert copy.read_bytes() == b"not rendered again"
    assert (out / second.relative_to(made)).read_bytes() == second.read_bytes()
    assert (out / "train.csv").read_bytes() == (made / "train.csv").read_bytes()
    assert (out / "validation.csv").read_bytes() == (made / "validation.csv").read_bytes()
    assert not list(out.rglob("*.part"))


def test_refuses_a_folder_of_another_kitchen(made: Path) -> None:
    with pytest.raises(ArtifactError, match="seed 5 instead of 4"):
        make_kitchen(made, num_videos=2, seed=4, workers=1, segments_per_video=2)


def test_refuses_a_damaged_settings_file(tmp_path: Path) -> None:
    (tmp_path / "kitchen.json").write_text("{")
    with pytest.raises(ArtifactError, match="not readable"):
        make_kitchen(tmp_path, num_videos=2)


def test_refuses_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written") as raised:
        kitchen(KitchenSettings(out=tmp_path / "file" / "kitchen"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "bad",
    [{"num_videos": MIN_VIDEOS - 1}, {"seed": -1}, {"workers": 0}, {"segments_per_video": 0}],
)
def test_refuses_bad_arguments(tmp_path: Path, bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        make_kitchen(tmp_path / "out", **bad)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_labels_of_recordings_that_are_there_need_no_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"num_videos": 2, "seed": 3, "segments_per_video": 1}
    for recording in plan_recordings(**asked):
        recording.path(tmp_path).parent.mkdir(parents=True)
        recording.path(tmp_path).touch()
    monkeypatch.setattr("egoact.kitchen.make.worker_processes", None)
    made = make_kitchen(tmp_path, workers=2, **asked)
    assert made.num_train_segments == len(read_segments(tmp_path / "train.csv")) > 0


@pytest.mark.parametrize("num_videos", [2, 3, 7, 36])
def test_validation_kitchen_is_unseen(num_videos: int) -> None:
    planned = plan_recordings(num_videos=num_videos, seed=0, segments_per_video=5)
    owners = Counter(r.participant_id for r in planned)
    assert len(planned) == num_videos == len({r.video_id for r in planned})
    assert owners[STYLES[-1].participant_id] == max(1, round(num_videos / 5))
    assert len(owners) == min(len(STYLES), num_videos)


def test_frame_numbers_follow_the_rule_of_the_ids() -> None:
    for recording in plan_recordings(num_videos=12, seed=0, segments_per_video=5):
        assert recording.frame_rate == (50 if len(recording.video_id) == len("P01_101") else 60)


def test_kitchens_look_different() -> None:
    camera = Camera((0.0, 1.5, -0.9), *look_at((0.0, 1.5, -0.9), (0.0, 1.2, 0.5)), 0.0, 140.0, 192, 144)
    pictures = []
    for look in STYLES:
        here = Scene(look)
        act = write_script(here, np.random.default_rng(1), num_acts=1, turn=0)[0]
        pictures.append(here.draw(camera, act.before).astype(float))
    for i, first in enumerate(pictures):
        for second in pictures[i + 1 :]:
            assert np.abs(first - second).mean() > 20


def test_long_tail(stories: list[list[ScriptedAction]]) -> None:
    verbs, nouns = (Counter(getattr(a, target) for s in stories for a in s) for target in ("verb", "noun"))
    assert max(verbs.values()) > 8 * min(verbs.values())
    assert max(nouns.values()) > 4 * min(nouns.values())
    assert set(nouns) == set(NOUNS)


def test_no_noun_is_left_out_of_training() -> None:
    """Also the rare ones occur often enough to be learnt."""
    planned = plan_recordings(num_videos=36, seed=0, segments_per_video=16)
    scenes = [Scene(look) for look in STYLES]
    nouns: Counter[str] = Counter()
    for recording in planned:
        if recording.participant_id != STYLES[-1].participant_id:
            turn = recording.participant + recording.number * (len(STYLES) - 1)
            rng = np.random.default_rng([0, recording.participant, recording.number, 1])
            nouns.update(a.noun for a in write_script(scenes[recording.participant], rng, num_acts=16, turn=turn))
    assert min(nouns[noun] for noun in NOUNS) >= 4, nouns.most_common()


def test_time_reversed_pairs_and_others_occur(stories: list[list[ScriptedAction]]) -> None:
    verbs = Counter(a.verb for s in stories for a in s)
    assert set(verbs) == set(VERBS)
    assert len([v for pair in REVERSED_PAIRS for v in pair]) >= 8
    for first, second in REVERSED_PAIRS:
        assert 0.5 < verbs[first] / verbs[second] < 2


def test_stories_are_consistent(stories: list[list[ScriptedAction]]) -> None:
    """What is opened is closed later, nothing is put that was not taken, and so on."""
    undone = {"put": "take", "close": "open", "insert": "take", "unfold": "fold"}
    for acts in stories:
        held, opened = set(), set()
        for act in acts:
            assert act.verb in VERBS
            assert act.noun in NOUNS
            if act.verb in ("take", "remove"):
                assert act.noun not in held
                held.add(act.noun)
            elif act.verb in ("put", "insert"):
                assert act.noun in held, undone[act.verb]
                held.remove(act.noun)
            elif act.verb == "open":
                assert act.noun not in opened
                opened.add(act.noun)
            elif act.verb == "close":
                opened.remove(act.noun)
            assert len(held) <= 2
        assert not held
        assert not opened


def test_states_follow_the_actions(stories: list[list[ScriptedAction]]) -> None:
    for acts in stories:
        for act, following in pairwise(acts):
            if act.verb in ("open", "close"):
                assert act.noun in FIXTURES
                assert act.before.openings[act.noun] == (act.verb == "close")
                assert following.before.openings[act.noun] == (act.verb == "open")
            if act.verb in ("turn-on", "turn-off"):
                assert act.before.running[act.noun] == (act.verb == "turn-off")
                assert following.before.running[act.noun] == (act.verb == "turn-on")


def test_nothing_is_reached_through_a_closed_door(scene: Scene, stories: list[list[ScriptedAction]]) -> None:
    for act in (a for s in stories for a in s if a.verb in ("take", "put")):
        name = next(n for n in act.move.things if n in (act.noun, "slice"))
        fixture = scene.container(act.before.things[name])
        assert fixture is None or act.before.openings[fixture] == 1, (act.verb, act.noun)


def test_hands_are_free_for_what_they_do(stories: list[list[ScriptedAction]]) -> None:
    for acts in stories:
        for act, following in pairwise(acts):
            if act.verb in ("take", "remove"):
                assert act.noun not in FIXTURES
                assert set(act.move.things) & set(following.move.things)


@pytest.mark.parametrize("name", ["cup", "plate", "knife"])
def test_put_is_take_in_reversed_time(scene: Scene, stories: list[list[ScriptedAction]], name: str) -> None:
    act = next(a for s in stories for a in s if a.verb == "take" and a.noun == name)
    forward = take(act.before.things[name], name, "right", act.move.stance, np.random.default_rng(0))
    camera = Head([act.move.stance], [(0.5, 2.0)], np.random.default_rng(0)).camera(0, 1.0)
    for u in np.linspace(0, 1, 7):
        there = pose_at(forward, u, camera, scene.handle)
        back = pose_at(backwards(forward), 1 - u, camera, scene.handle)
        assert np.allclose(there.things[name][0], back.things[name][0])
        assert np.allclose(there.hands["right"].place, back.hands["right"].place)


def test_a_taken_thing_ends_large_and_in_the_middle(scene: Scene, stories: list[list[ScriptedAction]]) -> None:
    for act in (a for s in stories[:6] for a in s if a.verb == "take" and a.noun in GRIPS):
        camera = Head([act.move.stance], [(0.5, 2.0)], np.random.default_rng(0)).camera(0, 1.0)
        name = next(n for n in act.move.things if n in (act.noun, "slice"))
        start, stop = (pose_at(act.move, u, camera, scene.handle).things[name][0] for u in (0.0, 1.0))
        assert stop[2] < 0.9 * start[2]
        middle = camera.pixels(stop - (0, GRIPS[name].height / 2, 0))
        assert np.all(np.abs(middle - (WIDTH / 2, HEIGHT / 2)) < (WIDTH * 0.25, HEIGHT * 0.3))


def test_opened_door_reveals_the_inside(scene: Scene) -> None:
    handle = scene.handle("fridge", 0.0)
    move = swing("fridge", "right", stance(scene, "fridge", handle), np.random.default_rng(0))
    opened = scene.handle("fridge", 1.0)
    assert value_at(move.openings["fridge"], 0.0) == 0
    assert value_at(move.openings["fridge"], 1.0) == 1
    assert np.linalg.norm(np.subtract(opened, handle)) > 0.4
    assert opened[2] < handle[2]


def test_recordings_differ_by_number_and_seed() -> None:
    first, other_number, other_seed = (
        [(r["verb"], r["noun"], r["start_timestamp"]) for r in rows] for rows in (_rows(0, 1), _rows(0, 2), _rows(1, 1))
    )
    assert first != other_number
    assert first != other_seed


def _rows(seed: int, number: int) -> list[dict[str, object]]:
    """The labels of a recording whose video needs not be rendered."""

    class Rendered(Recording):
        def path(self, out: Path) -> Path:
            return Path(__file__)

    return record(Rendered(0, number, seed, 4), Path())


def test_film_moves_without_jumps(scene: Scene, stories: list[list[ScriptedAction]]) -> None:
    """From frame to frame the view turns by less than a hand's width, also between actions."""
    film = Film(scene, stories[0], np.random.default_rng(0))
    times = np.arange(film.num_frames) / FRAMES_PER_SECOND
    indices = np.minimum(np.searchsorted([stop for _, stop in film.spans], times, side="right"), len(film.acts) - 1)
    cameras = [film._head.camera(int(i), float(t)) for i, t in zip(indices, times, strict=True)]
    turns = [abs(b.yaw - a.yaw) + abs(b.pitch - a.pitch) for a, b in pairwise(cameras)]
    steps = [np.linalg.norm(np.subtract(a.eye, b.eye)) for a, b in pairwise(cameras)]
    assert max(turns) < 0.45
    assert max(steps) < 0.7


def test_settings_file_says_how_it_was_made(made: Path) -> None:
    settings = json.loads((made / "kitchen.json").read_text())
    assert settings["seed"] == 5
    assert settings["num_videos"] == 2


def test_csv_has_the_columns_of_epic(made: Path) -> None:
    with (made / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:8] == [
        "narration_id",
        "participant_id",
        "video_id",
        "narration_timestamp",
        "start_timestamp",
        "stop_timestamp",
        "start_frame",
        "stop_frame",
    ]
    assert rows[0]["narration_id"] == "P01_01_0"


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "00:00:00.00"), (61.25, "00:01:01.25"), (3599.999, "01:00:00.00")])
def test_timestamp(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text


def test_ease_starts_and_stops_at_rest() -> None:
    assert (ease(-1.0), ease(0.0), ease(0.5), ease(1.0), ease(2.0)) == (0.0, 0.0, 0.5, 1.0, 1.0)
    assert ease(0.01) < 1e-4


def test_camera_turns_without_parallax() -> None:
    """A point's pixels in a turned camera follow from its pixels before, by the homography."""
    before = Camera((0.2, 1.5, 0.0), 0.1, -0.6, 0.05, 300.0, WIDTH, HEIGHT)
    after = Camera((0.2, 1.5, 0.0), -0.1, -0.5, -0.02, 330.0, WIDTH, HEIGHT)
    point = np.array([0.3, 0.9, 0.6])
    x, y = before.pixels(before.to_camera(point))
    mapped = before.homography_to(after) @ (x, y, 1.0)
    assert np.allclose(mapped[:2] / mapped[2], after.pixels(after.to_camera(point)))
    assert np.allclose(before.to_world(before.to_camera(point)), point)
