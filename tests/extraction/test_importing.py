from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.data.import_features import ImportFeaturesSettings, import_features
from egoact.core.annotations.frame_labels import find_stretches, read_bundle, read_frame_labels, read_mapping
from egoact.core.annotations.labels import read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.store.concatenation import open_features
from egoact.store.imported import choose_reading
from egoact.store.recordings import Recordings
from tests.makers.data.foreign import NAMES, read_truth, write_data_set, write_features


def settings(tmp_path: Path, **changes: object) -> ImportFeaturesSettings:
    made = ImportFeaturesSettings(folder=tmp_path / "tea", out=tmp_path / "store", rate=15)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["DxF", "FxD"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_store_has_the_features_of_the_files(tmp_path: Path, layout: str, dtype: str) -> None:
    write_data_set(tmp_path / "tea", layout=layout, dtype=dtype)
    assert import_features(settings(tmp_path)) == 0
    recordings = Recordings(open_features(tmp_path / "store"))
    assert list(recordings) == ["S1_Tea", "S2_Tea", "S3_Tea", "S4_Tea"]
    assert recordings.rate == 15
    for video, stored in recordings.items():
        given = np.load(tmp_path / "tea" / "features" / f"{video}.npy")
        np.testing.assert_array_equal(stored, (given.T if layout == "DxF" else given).astype(np.float16))


def test_csvs_say_what_the_files_of_labels_say(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "tea")
    import_features(settings(tmp_path))
    labels = tmp_path / "store" / "labels"
    table = read_segments(labels / "segments.csv")
    for video in table.video_ids:
        frames = ["background"] * len(read_truth(folder, video))
        for segment in table.select(lambda one, video=video: one.video_id == video):
            first, stop = round(segment.start_seconds * 15), round(segment.stop_seconds * 15)
            frames[first:stop] = [segment.verb or ""] * (stop - first)
        assert frames == read_truth(folder, video)
    assert read_vocabulary(labels, "verb").names == NAMES[1:]
    sides = [read_segments(labels / f"{side}.split1.csv").video_ids for side in ("train", "test")]
    assert sides == [("S1_Tea", "S2_Tea", "S3_Tea"), ("S4_Tea",)]


def test_words_of_background_are_chosen(tmp_path: Path) -> None:
    write_data_set(tmp_path / "tea")
    import_features(settings(tmp_path, background=("stir", "take")))
    table = read_segments(tmp_path / "store" / "labels" / "segments.csv")
    assert {segment.verb for segment in table} == {"background", "pour"}


def test_more_recordings_are_added_and_the_same_ones_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_data_set(tmp_path / "tea")
    import_features(settings(tmp_path))
    before = (tmp_path / "store" / "recordings.parquet").read_bytes()
    assert import_features(settings(tmp_path)) == 0
    assert "4 recordings (4 of them were there before)" in capsys.readouterr().out
    assert (tmp_path / "store" / "recordings.parquet").read_bytes() == before
    other = write_data_set(tmp_path / "more", videos=("S5_Tea",))
    assert import_features(settings(tmp_path, folder=other, name="tea", labels=tmp_path / "l")) == 0
    assert len(Recordings(open_features(tmp_path / "store"))) == 5
    with pytest.raises(AnnotationError, match="other labels than these are here; give another --labels"):
        import_features(settings(tmp_path, folder=other, name="tea"))
    write_features(folder, "S1_Tea", np.ones(len(read_truth(folder, "S1_Tea")), int), noise=0.5)
    assert import_features(settings(tmp_path, overwrite=True)) == 2  # the recording, and the split that names it
    assert "the store has other features of S1_Tea already" in capsys.readouterr().err


def test_a_store_of_other_features_is_not_added_to(tmp_path: Path) -> None:
    write_data_set(tmp_path / "tea")
    import_features(settings(tmp_path))
    with pytest.raises(ArtifactError, match="made with backbone tea, not mine"):
        import_features(settings(tmp_path, name="mine"))
    with pytest.raises(ArtifactError, match="rate 15, not 30"):
        import_features(settings(tmp_path, rate=30))


def test_lengths_that_differ_a_little_are_cut_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_data_set(tmp_path / "tea", extra_frames=2)
    (folder / "groundTruth" / "S2_Tea.txt").write_text("\n".join(["take"] * 5 + read_truth(folder, "S2_Tea")))
    assert import_features(settings(tmp_path)) == 0
    lengths = {video: len(features) for video, features in Recordings(open_features(tmp_path / "store")).items()}
    given = {video: len(read_truth(folder, video)) for video in lengths}
    assert lengths == given | {"S2_Tea": given["S2_Tea"] - 3}
    assert f"such as S1_Tea ({given['S1_Tea'] + 2}, {given['S1_Tea']})" in capsys.readouterr().out


def test_files_that_are_wrong_are_told_and_the_others_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = [f"S{number}_Tea" for number in range(12)]
    folder = write_data_set(tmp_path / "tea", videos=videos)
    features = folder / "features"
    good = np.load(features / "S5_Tea.npy")
    np.save(features / "S0_Tea.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (features / "S1_Tea.npy").write_bytes((features / "S1_Tea.npy").read_bytes()[:500])
    np.save(features / "S2_Tea.npy", np.load(features / "S2_Tea.npy")[:5])
    np.save(features / "S3_Tea.npy", np.load(features / "S3_Tea.npy").astype(int))
    np.save(features / "S4_Tea.npy", np.load(features / "S4_Tea.npy")[None])
    np.save(features / "S5_Tea.npy", np.where(np.arange(good.shape[1]) == 7, 1e6, good))
    (folder / "groundTruth" / "S6_Tea.txt").write_text("take\nfly\n")
    (folder / "groundTruth" / "S7_Tea.txt").write_text("take\n" * 30)
    (folder / "groundTruth" / "S8_Tea.txt").write_bytes(b"\xff\xfe\n")
    np.savez(features / "S9_Tea.npz", good)
    (features / "S9_Tea.npz").rename(features / "S9_Tea.npy")
    assert import_features(settings(tmp_path)) == 11  # and the bundle that names them
    lines = capsys.readouterr().err.splitlines()
    for video, words in {
        0: "Python objects",
        1: "not an .npy file of plain numbers",
        2: "has 5 numbers a frame, where most files have 12",
        3: "holds int64; features are float16",
        4: "features have two axes",
        5: "frame 7: not a finite number, or too large for float16",
        6: "line 2: 'fly' is not in mapping.txt",
        7: "30 labels for",
        8: "not a text in UTF-8",
        9: "the magic string is not correct",
    }.items():
        assert any(f"S{video}_Tea" in line and words in line for line in lines), words
    assert list(Recordings(open_features(tmp_path / "store"))) == ["S10_Tea", "S11_Tea"]


def test_features_without_labels_are_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data_set(tmp_path / "tea")
    assert import_features(settings(tmp_path, folder=tmp_path / "tea" / "features")) == 0
    assert len(Recordings(open_features(tmp_path / "store"))) == 4
    assert not (tmp_path / "store" / "labels").exists()
    assert "files are DxF, 12 numbers a frame" in capsys.readouterr().out


def test_splits_of_unknown_recordings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_data_set(tmp_path / "tea")
    (folder / "splits" / "test.split1.bundle").write_text("S4_Tea.txt\nS9_Tea.txt\n")
    assert import_features(settings(tmp_path)) == 1
    assert "1 of its 2 recordings are not here, such as S9_Tea" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prepare", "error", "words"),
    [
        (lambda folder: [p.unlink() for p in (folder / "features").iterdir()], ArtifactError, "no .npy files"),
        (lambda folder: (folder / "mapping.txt").write_text("take\n"), AnnotationError, "line 1: 'take' is not a"),
        (lambda folder: (folder / "mapping.txt").write_text("1 take\n"), AnnotationError, "numbers are 0 to 0"),
        (
            lambda folder: [p.write_text("take\n" * 40) for p in (folder / "groundTruth").iterdir()],
            ValueError,
            "of no recording do features and labels fit: S1_Tea has features (12, ",
        ),
        (
            lambda folder: [p.write_text("background\n" * 12) for p in (folder / "groundTruth").iterdir()],
            ValueError,
            "nothing but background in the labels",
        ),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, prepare, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    folder = write_data_set(tmp_path / "tea")
    prepare(folder)
    with pytest.raises(error) as told:
        import_features(settings(tmp_path))
    assert words in str(told.value)


def test_time_is_the_axis_that_differs_between_files_and_fits_the_labels() -> None:
    alone = {"a": (12, 90)}
    with pytest.raises(ValueError, match=r"such as a with shape \(12, 90\); say --layout DxF"):
        choose_reading(alone, {}, slack=15)
    assert choose_reading(alone, {"a": 91}, slack=15).layout == "DxF"
    assert choose_reading(alone, {"a": 11}, slack=5).layout == "FxD"
    assert choose_reading(alone, {}, slack=15, layout="FxD").num_channels == 90
    with pytest.raises(ValueError, match="90,000 numbers a frame; is it the other way round?"):
        choose_reading({"a": (90_000, 64), "b": (90_000, 70)}, {}, slack=15)
    both = {"a": (80, 12), "b": (80, 12), "c": (75, 12)}
    assert choose_reading(both, {}, slack=1).layout == "FxD"
    with pytest.raises(ValueError, match="do not tell which axis is time"):
        choose_reading({"a": (80, 80), "b": (80, 80)}, {"a": 80, "b": 80}, slack=1)


def test_texts_are_read_as_they_are_published(tmp_path: Path) -> None:
    path = tmp_path / "any.txt"
    path.write_bytes(b"0 SIL\r\n1 pour_milk\r\n2 take cup\r\n")
    assert read_mapping(path) == ("SIL", "pour_milk", "take cup")
    path.write_text("P03_cam01_P03_cereals.txt\ngroundTruth/P04.v2.txt\n\n")
    assert read_bundle(path) == ("P03_cam01_P03_cereals", "P04.v2")
    path.write_text("a.txt\na.txt\n")
    with pytest.raises(AnnotationError, match="line 2: a is there twice"):
        read_bundle(path)
    path.write_text("take\n\ntake\n")
    with pytest.raises(AnnotationError, match="line 2: the line is empty"):
        read_frame_labels(path)
    path.write_text("")
    with pytest.raises(AnnotationError, match="there is no label in it"):
        read_frame_labels(path)
    assert find_stretches(["background"] * 3, rate=15) == []
