"""`egoact blur` on a real face: nobody finds it afterwards, and everything else is as it was."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.data.blur import BlurSettings, blur
from egoact.engines.faces import Face
from egoact.media.video.writer import is_playable
from egoact.privacy.faces import find_faces
from egoact.privacy.masks import Mask, Masks
from tests.makers.films.faces import RATE, SIZE, face_place, needs_face_model, portrait, write_face_video
from tests.makers.films.media import number_in, write_video
from tests.makers.films.sound import level_of, read_all_sound, tone, write_recording_with_sound

NUM_FRAMES = 18
FILES = (".mp4", ".avi", ".json", ".tflite")


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def lbp_faces(picture: np.ndarray) -> list[dict[str, int]]:
    """By scikit-image's cascade of local binary patterns, which has nothing in common with ours."""
    from skimage import data
    from skimage.feature import Cascade

    cascade = Cascade(data.lbp_frontal_face_cascade_filename())
    found: list[dict[str, int]] = cascade.detect_multi_scale(picture, 1.15, 1, (25, 25), (120, 120))
    return found


def shows_a_face(picture: np.ndarray, x: float, y: float) -> bool:
    """Whether the cascade finds one whose middle is here, within half its width, which is 120 pixels at most."""
    left = max(round(x * SIZE[1]) - 140, 0)
    for face in lbp_faces(np.ascontiguousarray(picture[:, left : left + 280])):
        off = (left + face["c"] + face["width"] / 2 - x * SIZE[1], face["r"] + face["height"] / 2 - y * SIZE[0])
        if max(map(abs, off)) < 0.5 * face["width"]:
            return True
    return False


def test_faces_are_where_another_detector_finds_them() -> None:
    detector = needs_face_model()
    picture = np.full((*SIZE, 3), 128, dtype=np.uint8)
    picture[100:280, 300:480] = portrait()
    face = detector.run(picture)[0]
    [other] = lbp_faces(picture)
    middle = ((face.box[0] + face.box[2]) / 2 * SIZE[1], (face.box[1] + face.box[3]) / 2 * SIZE[0])
    assert abs(middle[0] - (other["c"] + other["width"] / 2)) < 15
    assert abs(middle[1] - (other["r"] + other["height"] / 2)) < 15
    assert not [face for face in detector.run(np.full((*SIZE, 3), 128, dtype=np.uint8)) if face.score > 0.5]
    with pytest.raises(ValueError, match="uint8"):
        detector.run(picture.astype(np.float32))


@pytest.mark.slow
def test_a_face_is_blurred_wherever_it_goes(tmp_path: Path) -> None:
    detector = needs_face_model()
    made = write_face_video(tmp_path / "walk.mp4", num_frames=NUM_FRAMES)
    out = tmp_path / "shared" / "walk.mp4"
    assert blur(BlurSettings(made, out, rate=5)) == 0
    masks = Masks.read(out.with_suffix(".json"))
    before, after = pictures(made), pictures(out)
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=1e-4) and is_playable(out)
    assert shows_a_face(before[6][1], *face_place(6, NUM_FRAMES))
    for number, ((seconds, picture), (_, original)) in enumerate(zip(after, before, strict=True)):
        x, y = face_place(number, NUM_FRAMES)
        covering = [b for b in masks.boxes(seconds) if b[0] < x < b[2] and b[1] < y < b[3]]
        assert covering, f"picture {number}"
        if number % 6 == 0:
            near = [f for f in detector.run(picture) if f.box[0] < x < f.box[2] and f.score > 0.5]
            assert not near and not shows_a_face(picture, x, y), f"picture {number}"
        far = slice(None), slice(400, 640) if x < 0.4 else slice(0, 200)
        assert np.abs(picture[far].astype(int) - original[far].astype(int)).mean() < 6


def test_faces_are_looked_for_anew_and_what_a_person_marked_stays(tmp_path: Path) -> None:
    needs_face_model()
    made = write_face_video(tmp_path / "walk.mp4", num_frames=NUM_FRAMES)
    beside = tmp_path / "out.json"
    place = Mask(((0.0, (0.8, 0.8, 0.9, 0.9)),), kind="screen")
    Masks([place, Mask(((0.0, (0.1, 0.1, 0.2, 0.2)),))], [(0.1, 0.2)]).write(beside, recording="walk.mp4")
    assert blur(BlurSettings(made, tmp_path / "out.mp4", rate=5, review=True, masks=beside, overwrite=True)) == 0
    masks = Masks.read(beside)
    assert [mask.kind for mask in masks.masks] == ["screen", "face"] and masks.masks[0] == place
    assert masks.masks[1].score > 0.6 and masks.hidden == [(0.1, 0.2)]


def test_review_then_correct_then_blur(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person marks is blurred without any detector."""
    made = write_recording_with_sound(tmp_path / "in.mp4", tone(2.0, hertz=1000))
    masks = tmp_path / "out.json"
    keyframes = [[0, 0.25, 0.25, 0.75, 0.75]]
    mask = {"kind": "screen", "keyframes": [*keyframes, [2, *keyframes[0][1:]]]}
    masks.write_text(json.dumps({"format_version": 1, "masks": [mask]}))
    with pytest.raises(SystemExit) as stop:
        main(["blur", str(made), "--out", str(tmp_path / "out.mp4"), "--masks", str(masks), "--hide", "0.5-1.0"])
    assert stop.value.code == 0 and "look at it before you share it" in capsys.readouterr().out
    before, after = pictures(made), pictures(tmp_path / "out.mp4")
    height, width = before[0][1].shape[:2]
    centre = slice(height // 2 - 8, height // 2 + 8), slice(width // 2 - 8, width // 2 + 8)
    assert after[0][1][centre].std() < before[0][1][centre].std()
    assert [picture.max() < 20 for t, picture in after] == [0.5 <= t < 1.0 for t, _ in after]
    levels = level_of(read_all_sound(tmp_path / "out.mp4"), 1000)
    assert levels[30:45].max() < 0.05 < 0.3 < np.median(levels[60:90])
    with pytest.raises(SystemExit) as stop:
        main(["blur", str(made), "--out", str(tmp_path / "out.mp4"), "--masks", str(masks)])
    assert stop.value.code == 2 and "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--out", "o.avi"],
        ["--out", "o.mp4", "--hide", "5"],
        ["--out", "o.mp4", "--hide", "5-3"],
        ["--out", "o.mp4", "--hide", "a-b"],
        ["--out", "o.mp4", "--rate", "0"],
        ["--out", "o.mp4", "--review", "--masks", "m.json"],
        ["--out", "o.mp4", "--face-model", "nothing.tflite"],
        ["--out", "o.mp4", "--masks", "nothing.json"],
    ],
)
def test_impossible_wishes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    video = write_face_video(tmp_path / "v.mp4", num_frames=2)
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "blur",
                str(video),
                *[str(tmp_path / w) if "." in w and "-" not in w[:1] and w[0] in "on" else w for w in words],
            ]
        )
    told = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and told.startswith("egoact: ") and "\n" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4"]


def test_every_second_counts() -> None:
    assert BlurSettings(Path("a"), Path("b.mp4"), hide=("1:05-1:20.5",)).hidden() == [(65.0, 80.5)]
    assert RATE > 0


def test_faces_are_looked_for_after_a_clock_begins_anew(tmp_path: Path) -> None:
    """Two transport streams in one file; or the second would be shared with its faces."""
    parts = [write_video(tmp_path / f"{n}.ts", num_frames=60, first_number=n * 60).read_bytes() for n in range(2)]
    (tmp_path / "film.ts").write_bytes(b"".join(parts))
    numbers = []

    class Watching:
        def run(self, picture: np.ndarray) -> list[Face]:
            numbers.append(number_in(picture))
            return [Face((0.4, 0.4, 0.6, 0.6), 0.9)] if numbers[-1] >= 60 else []

    (mask,) = find_faces(tmp_path / "film.ts", Watching(), rate=10)
    assert max(numbers) >= 115 and numbers == sorted(numbers)
    assert 1.9 < mask.keyframes[0][0] <= 2.2 and mask.keyframes[-1][0] > 3.7
