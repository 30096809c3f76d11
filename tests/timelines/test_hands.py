"""`egoact predict --hands`, on recordings of coloured noise with a detector that sees what it is told to."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.hands import Palm
from egoact.engines.hands import HandDetector, network
from egoact.extraction.recordings import HandPass, aspect_ratio_of
from egoact.media.recording import read_steps
from egoact.media.sources import MediaSource
from egoact.report.timelines.timeline import write_report
from tests.makers.data.recordings import SIZE
from tests.makers.films.hands import needs_hand_model, palm
from tests.makers.films.media import write_video
from tests.makers.machines.places import SHARED


class RightWhereRed:
    """Finds a right hand in red pictures alone, and writes down how it is asked."""

    def __init__(self, model: Path | None = None) -> None:
        self.aspect_ratios: set[float | None] = set()

    def run(self, frames: np.ndarray, *, aspect_ratio: float | None = None) -> list[tuple[Palm, ...]]:
        self.aspect_ratios.add(aspect_ratio)
        reds = frames[..., 0].mean(axis=(1, 2)) - frames[..., 2].mean(axis=(1, 2))
        return [(palm(0.7, arm_x=0.9),) if red > 60 else () for red in reds]


@pytest.fixture
def detectors(monkeypatch: pytest.MonkeyPatch) -> list[RightWhereRed]:
    made: list[RightWhereRed] = []

    def make(model: Path | None) -> RightWhereRed:
        made.append(RightWhereRed(model))
        return made[-1]

    monkeypatch.setattr("egoact.engines.hands.HandDetector", make)
    return made


def test_a_timeline_tells_how_much_each_hand_is_used(
    folder: Path, tmp_path: Path, detectors: list[RightWhereRed], capsys: pytest.CaptureFixture[str]
) -> None:
    video = folder / "videos" / "kitchen_9.mp4"
    settings = PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch", hands=True)
    assert predict(settings) == 0
    write_report(settings)
    timeline = read_timelines(tmp_path / "out")["kitchen_9"]
    opened = [[s.start_seconds, s.stop_seconds] for s in timeline if s.verb == "open"]
    hands = json.loads((tmp_path / "out" / "timeline.json").read_text())["hands"]
    assert len(opened) == 2 and hands["right"]["num_interactions"] == 2
    np.testing.assert_allclose(hands["right"]["interactions"], opened, atol=0.3)
    share = sum(stop - start for start, stop in hands["right"]["interactions"]) / timeline.duration_seconds
    assert hands["right"]["share_of_time"] == pytest.approx(share, abs=1e-3)
    assert hands["left"]["num_interactions"] == 0 and hands["hand_use_ratio"] == 0
    assert 0.5 < hands["steps_without_hands_share"] < 0.9
    assert detectors[0].aspect_ratios == {SIZE[1] / SIZE[0]}, "of the recording, not of the square that features need"
    missed = f"no hand found in {100 * hands['steps_without_hands_share']:.1f} % of the pictures"
    assert missed in capsys.readouterr().out
    assert "Share of time in interaction" in (tmp_path / "out" / "timeline.html").read_text(encoding="utf-8")
    assert ",hand,right," in (tmp_path / "out" / "statistics.csv").read_text()


def test_without_the_flag_nobody_looks_for_hands(folder: Path, tmp_path: Path, detectors: list[RightWhereRed]) -> None:
    video = folder / "videos" / "kitchen_9.mp4"
    predict(PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch"))
    assert "hands" not in json.loads((tmp_path / "out" / "timeline.json").read_text()) and not detectors


def test_without_the_network_nothing_is_begun(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network, "_find_spec", lambda: None)
    video, out = str(folder / "videos" / "kitchen_9.mp4"), str(tmp_path / "out")
    with pytest.raises(SystemExit) as stop:
        main(["predict", video, "--run", str(folder / "run"), "--out", out, "--hands"])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "pip install --no-deps mediapipe==0.10.21" in told
    assert not Path(out).exists()


def test_a_file_for_hands_that_nobody_looks_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--hand-model goes with --hands"):
        PredictSettings(tmp_path, run=tmp_path, out=tmp_path, hand_model=tmp_path)


def test_a_picture_that_stands_for_several_steps_counts_so_often() -> None:
    hands = HandPass(RightWhereRed(), aspect_ratio=1.0)  # type: ignore[arg-type]
    red, blue = (np.full((1, 8, 8, 3), colour, np.uint8) for colour in ((220, 40, 40), (40, 60, 220)))
    hands.add(np.concatenate([red, blue]), np.array([3, 1]))
    hands.add(red, np.array([1]))
    assert hands.track(rate=4).seen[:, 1].tolist() == [True, True, True, False, True]


@pytest.mark.parametrize(("rotation", "aspect_ratio"), [(0, 1.5), (90, 2 / 3)])
def test_the_shape_of_a_recording_is_what_a_person_sees(tmp_path: Path, rotation: int, aspect_ratio: float) -> None:
    video = write_video(tmp_path / "v.mp4", num_frames=3, rotation=rotation)
    assert aspect_ratio_of(MediaSource("v", video, "video")) == pytest.approx(aspect_ratio)


@pytest.mark.slow
def test_hands_of_a_real_recording() -> None:
    needs_hand_model()
    video = SHARED / "data/gtea/videos/S2_Cheese_C1.mp4"
    if not video.exists():
        pytest.skip(f"the recordings of GTEA are not here ({video})")
    source = MediaSource(video.stem, video, "video")
    frames, counts = zip(*read_steps(source, rate=4, size=(256, 256)), strict=True)
    hands = HandPass(HandDetector(), aspect_ratio=aspect_ratio_of(source))
    hands.add(np.stack(frames), np.array(counts))
    tracks = hands.track(rate=4)
    assert 0.9 < tracks.seen.any(axis=1).mean() < 1
    assert tracks.seen[:, 0].mean() > 0.75 and tracks.seen[:, 1].mean() > 0.8
    looked_at = {7.8: (1, 1), 12.6: (1, 1), 28.6: (1, 1), 33.6: (0, 1)}  # seconds: which hands are found
    found = {second: tuple(tracks.seen[int(4 * second)].astype(int)) for second in looked_at}
    assert found == looked_at
