"""Each data set from a miniature of its published files to segments, splits and classes; and broken ones."""

from pathlib import Path

import pytest

from egoact.cli import main
from egoact.core.annotations.datasets.catalogue import RECIPES
from egoact.core.annotations.labels import TARGETS, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.media.links import link_recordings
from tests.makers.data.datasets import NOUNS, VERBS, WRITERS, write, write_egtea
from tests.makers.data.recordings import write_recording
from tests.makers.films.media import write_video

SEQUENCE = "nusar-2021_action_both_9033-a30_9033_user_id_2021-02-04_132852"
VIDEO = "2022-06-14_16-38-43_S04_eye-tracking-video-world_frame"
HD_EPIC = "narrations-and-action-segments"
EGO4D = "v2/annotations"
COARSE = "coarse-annotations/coarse_labels"
TWO, FIRST = [(0.5, 2.0, "open"), (2.0, 3.25, "cut")], [(0.5, 2.0, "open")]
EXPECTED = {
    "epic-kitchens-55": {
        "train": {"P01_01": [(0.5, 2.0, "open"), (2.0, 3.25, "slice")]},
        "test_unseen": {"P32_01": [(60.0, 61.5, None)]},
    },
    "epic-kitchens-100": {
        "train": {"P01_01": FIRST},
        "validation": {"P18_101": FIRST},
        "test": {"P33_101": [(0.5, 2.0, None)]},
    },
    "egtea": {
        "train.split1": {
            "P02-R02-TurkeySandwich": [(1.0, 4.0, "close")],
            "P03-R03-BaconAndEggs": [(4.5, 6.0, "open"), (6.5, 8.0, "close")],
        },
        "test.split1": {"OP01-R01-PastaSalad": TWO},
        "test.split2": {"P02-R02-TurkeySandwich": [(1.0, 4.0, "close")]},
        "test.split3": {"P03-R03-BaconAndEggs": [(4.5, 6.0, "open"), (6.5, 8.0, "close")]},
    },
    "gtea": {"train.split1": {"S2_Tea_C1": FIRST}, "test.split1": {"S1_Tea_C1": TWO}},
    "50salads": {"train.split1": {"rgb-02-1": FIRST}, "test.split1": {"rgb-01-1": TWO}},
    "breakfast": {
        "train.split1": {"P04_stereo01_P04_tea": FIRST},
        "test.split1": {"P03_cam01_P03_tea": TWO},
    },
    "ego4d-narrations": {
        # 3.27 s between three narrations, of 4.9 s over all of Ego4D: two thirds of a second each
        "train": {"uid-1": [(0.0, 0.53, "opens"), (9.67, 10.33, "cuts"), (9.67, 10.33, "looks")]},
        "validation": {"uid-2": [(9.5, 10.5, "cuts")]},
    },
    "ego4d-moments": {"train": {"uid-1": FIRST * 2}, "validation": {"uid-2": FIRST * 2}},
    "assembly101": {
        "train": {
            f"{SEQUENCE}_e3": [*TWO, (10.0, 11.0, "close")],
        },
    },
    "actionsense": {"segments": {VIDEO: [(0.5, 2.0, "open"), (2.0, 3.24, "cut")]}},
    "hd-epic": {"segments": {"P01-20240202-110250": TWO}},
}
"""Name -> side of a split -> recording -> start, stop and verb."""
PEOPLE = {
    "epic-kitchens-55": {"P01"},
    "epic-kitchens-100": {"P01", "P18"},
    "egtea": {"OP01", "P02", "P03"},
    "gtea": {"S1", "S2"},
    "50salads": {"rgb-01", "rgb-02"},
    "breakfast": {"P03", "P04"},
    "ego4d-narrations": {"7"},
    "ego4d-moments": {"7"},
    "assembly101": {"9033"},
    "actionsense": {"S04"},
    "hd-epic": {"P01"},
}


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    return int(stop.value.code or 0)


def rows(path: Path) -> dict[str, list[tuple[float, float, str | None]]]:
    found: dict[str, list[tuple[float, float, str | None]]] = {}
    for segment in read_segments(path):
        found.setdefault(segment.video_id, []).append((segment.start_seconds, segment.stop_seconds, segment.verb))
    return found


def near(given: dict[str, list[tuple[float, float, str | None]]], *, seconds: float) -> dict[str, list[object]]:
    """Times are compared to a frame: labels of frames say no more."""
    return {
        video: [
            (pytest.approx(start, abs=seconds), pytest.approx(stop, abs=seconds), verb) for start, stop, verb in each
        ]
        for video, each in given.items()
    }


def test_every_data_set_has_a_miniature() -> None:
    assert RECIPES.keys() == WRITERS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_its_files_become_segments_and_splits(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "actionsense":
        pytest.importorskip("h5py", reason="needs h5py: pip install 'egoact[hdf5]'")
    WRITERS[name](tmp_path / "given")
    assert run("import-dataset", name, tmp_path / "given", "--out", tmp_path / "labels") == 0
    for side, expected in EXPECTED[name].items():
        assert rows(tmp_path / "labels" / f"{side}.csv") == near(expected, seconds=0.04), side
    labelled = {video for each in EXPECTED[name].values() for video, actions in each.items() if actions[0][2]}
    table = read_segments(tmp_path / "labels" / "segments.csv")
    assert set(table.video_ids) == labelled
    assert {segment.participant_id for segment in table} == PEOPLE[name]
    assert f"{RECIPES[name].title}: " in capsys.readouterr().out
    for target in TARGETS:
        if (tmp_path / "labels" / f"{target}_classes.csv").exists():
            vocabulary = read_vocabulary(tmp_path / "labels", target)
            used = {"ego4d-moments": ("open",), "actionsense": ("cut", "open")}  # no list of classes is published
            assert vocabulary.names == used.get(name, {"verb": VERBS, "noun": NOUNS}[target])
            assert vocabulary.encode(table).min() >= 0
    assert run("import-dataset", name, tmp_path / "given", "--out", tmp_path / "labels") == 0, "the same again"


def test_a_data_set_goes_through_features_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = {}
    for number, name in enumerate(("OP01-R01-PastaSalad", "P02-R02-TurkeySandwich", "P03-R03-BaconAndEggs")):
        sessions[name] = write_recording(tmp_path / "media" / f"{name}.mp4", seed=number)
    write_egtea(tmp_path / "given", sessions)
    labels, features = tmp_path / "labels", ("--features", tmp_path / "features")
    given = ("egtea", tmp_path / "given", "--out", labels, "--media", tmp_path / "media")
    assert run("import-dataset", *given) == 0
    assert "are not in" not in capsys.readouterr().out
    tiny = ("--backbone", "tiny-random", "--size", "32", "--engine", "torch")
    assert run("extract", "--segments", labels / "segments.csv", "--media", tmp_path / "media", *features, *tiny) == 0
    sides = ("--segments", labels / "train.split1.csv")
    assert run("train", *sides, "--classes", labels, *features, "--run", tmp_path / "run", "--head", "average") == 0
    test = ("--segments", labels / "test.split1.csv", "--annotations", labels)
    assert run("evaluate", "--run", tmp_path / "run", *test, *features, "--out", tmp_path / "results") == 0
    assert "4 segments" in capsys.readouterr().out


def test_recordings_with_other_names_get_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["breakfast"](tmp_path / "given")
    write_video(tmp_path / "media" / "P04" / "stereo" / "P04_tea_ch1.avi", num_frames=40, rate=15)
    given = ("breakfast", tmp_path / "given", "--out", tmp_path / "labels", "--media", tmp_path / "media")
    assert run("import-dataset", *given) == 0
    assert "1 of 2 recordings are not in" in capsys.readouterr().out
    write_video(tmp_path / "media" / "P03" / "cam01" / "P03_tea.avi", num_frames=45, rate=15)
    assert run("import-dataset", *given, "--overwrite") == 1
    assert "P03_cam01_P03_tea_1 stops at 3.27 s, and P03_cam01_P03_tea lasts 3.00 s" in capsys.readouterr().err
    assert rows(tmp_path / "labels" / "test.split1.csv") == near({"P03_cam01_P03_tea": FIRST}, seconds=0.04)
    write_video(tmp_path / "media" / "P03" / "cam01" / "P03_tea.avi", num_frames=70, rate=15)
    assert run("import-dataset", *given, "--overwrite") == 0
    assert "2 links to recordings" in capsys.readouterr().out
    tiny = ("--backbone", "tiny-random", "--size", "32", "--engine", "torch", "--features", tmp_path / "features")
    media = ("--media", tmp_path / "labels" / "videos")
    assert run("extract", "--segments", tmp_path / "labels" / "segments.csv", *media, *tiny) == 0


def test_links_are_made_anew_and_hard_ones_where_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("a privilege is missing")

    for name, words in (("one", "first"), ("two", "second")):
        write(tmp_path / name / "P03" / "tea.avi", words)
    for folder, said in (("one", "first\n"), ("two", "second\n"), ("one", "first\n")):
        made = link_recordings(
            [tmp_path / folder], {"P03_tea": ("P03/tea.avi",), "P04_tea": ("x.avi",)}, tmp_path / "links"
        )
        assert (
            made == {"P03_tea": tmp_path / "links" / "P03_tea.avi"}
            and (tmp_path / "links" / "P03_tea.avi").read_text() == said
        )
        monkeypatch.setattr(Path, "symlink_to", refuse)
    assert not (tmp_path / "links" / "P03_tea.avi").is_symlink()


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "words"),
    [
        (
            "hd-epic",
            f"{HD_EPIC}/HD_EPIC_Narrations.csv",
            "(0, 0)]",
            "(0, 5)]",
            "row 2: noun 5 is none of the 2 classes",
        ),
        (
            "hd-epic",
            f"{HD_EPIC}/HD_EPIC_Narrations.csv",
            "(0, 0)]",
            "(0, 0]",
            "row 2: main_action_classes '[(0, 0]' is",
        ),
        (
            "hd-epic",
            f"{HD_EPIC}/HD_EPIC_Narrations.csv",
            "(0, 0)]",
            "(0, 1e999)]",
            "row 2: main_action_classes '[(0, 1e999)]' is",
        ),
        (
            "hd-epic",
            f"{HD_EPIC}/HD_EPIC_Narrations.csv",
            "end_time",
            "stop_time",
            "row 1: no column end_timestamp; the",
        ),
        ("assembly101", "coarse-annotations/actions.csv", "noun_cls", "noun", "actions.csv, row 1: no column noun_cls"),
        ("assembly101", f"{COARSE}/assembly_{SEQUENCE}.txt", "open fridge", "open tap", "line 1: 'open tap' is none"),
        ("assembly101", f"{COARSE}/assembly_{SEQUENCE}.txt", "60\topen", "6x\topen", "line 1: '00000006x' is not a"),
        ("ego4d-moments", f"{EGO4D}/moments_val.json", '"videos"', '"films"', "moments_val.json: an object with a"),
        (
            "ego4d-moments",
            f"{EGO4D}/moments_train.json",
            "2.0",
            "0.5",
            "clip clip-of-uid-1, annotation 1, label 1: stop",
        ),
        ("ego4d-moments", f"{EGO4D}/moments_val.json", '"label":', '"x":', "label 1: not as this data set has it"),
        ("ego4d-narrations", f"{EGO4D}/narration.json", "10.0", "null", "uid-1, narration_pass_1: timestamp_sec must"),
        ("ego4d-narrations", "ego4d.json", "[{", "{", "ego4d.json: not readable as JSON"),
        (
            "epic-kitchens-100",
            "EPIC_100_train.csv",
            "open,0",
            "open,9",
            "EPIC_100_train.csv, row 2, column verb_class: 9",
        ),
        ("epic-kitchens-55", "EPIC_verb_classes.csv", "2,cut", "7,cut", "row 4, column verb_id: id 7"),
        ("egtea", "action_annotation/verb_idx.txt", "cut 3", "cut", "verb_idx.txt, line 3: 'cut' is not a name and"),
        ("egtea", "action_annotation/train_split1.txt", "F000024", "F24x", "train_split1.txt, line 1: 'P02-R02-Turkey"),
        (
            "egtea",
            "action_annotation/test_split1.txt",
            " 1 3 2 1",
            " 1 4 2",
            "test_split1.txt, line 2: verb 4 is none of",
        ),
        ("egtea", "action_annotation/test_split1.txt", "2000-3250", "2000-1250", "line 2: stop at 1.25 s is not after"),
        ("gtea", "groundTruth/S1_Tea_C1.txt", "cut", "fold", "S1_Tea_C1.txt, line 31: 'fold' is not in mapping.txt"),
        (
            "breakfast",
            "splits/test.split1.bundle",
            "P03",
            "P99",
            "1 of its 1 recordings are not here, such as P99_cam01",
        ),
    ],
)
def test_broken_files_are_one_line_with_file_and_row(
    name: str, file: str, old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WRITERS[name](tmp_path / "given")
    text = (tmp_path / "given" / file).read_text()
    assert old in text
    (tmp_path / "given" / file).write_text(text.replace(old, new))
    assert run("import-dataset", name, tmp_path / "given", "--out", tmp_path / "labels") in (1, 2)
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_other_labels_are_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["gtea"](tmp_path / "given")
    words = ("import-dataset", "gtea", tmp_path / "given", "--out", tmp_path / "labels")
    assert run(*words) == 0
    (tmp_path / "labels" / "segments.csv").write_text("mine")
    assert run(*words) == 2
    assert "other labels than these are here" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0
    assert len(read_segments(tmp_path / "labels" / "segments.csv")) == 3


def test_each_view_of_a_scene_is_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["assembly101"](tmp_path / "given")
    write_video(tmp_path / "media" / SEQUENCE / "HMC_21179183_mono10bit.mp4", num_frames=12, rate=1)
    given = ("assembly101", tmp_path / "given", "--out", tmp_path / "labels", "--media", tmp_path / "media")
    assert run("import-dataset", *given, "--views", "e4", "v1") == 0
    assert set(rows(tmp_path / "labels" / "train.csv")) == {f"{SEQUENCE}_e4", f"{SEQUENCE}_v1"}
    assert (tmp_path / "labels" / "videos" / f"{SEQUENCE}_e4.mp4").exists()
    said = capsys.readouterr().out
    assert "2 sequences of the test have no labels" in said and "1 of 2 recordings are not in" in said
    assert run("import-dataset", *given, "--views", "e9") == 2
    assert "--views must be of e1" in capsys.readouterr().err


def test_moments_of_sensors_are_frames_of_the_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames were taken 25 times a second, and the file shows 20: what was taken at 2.0 s is frame 50, at 2.5 s."""
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'egoact[hdf5]'")
    WRITERS["actionsense"](tmp_path / "given")
    write_video(tmp_path / "media" / f"{VIDEO}.mp4", num_frames=90, rate=20)
    given = ("actionsense", tmp_path / "given", "--out", tmp_path / "labels", "--media", tmp_path / "media")
    assert run("import-dataset", *given) == 0
    (first, second), *_ = rows(tmp_path / "labels" / "segments.csv").values()
    assert first == (pytest.approx(0.625, abs=0.03), 2.5, "open") and second == (2.5, 4.05, "cut")
    (path,) = (tmp_path / "given").iterdir()
    with h5py.File(path, "a") as file:
        file["experiment-activities/activities/time_s"][1] = 2000.0
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    assert run("import-dataset", *given, "--overwrite") == 1
    assert "activity row 2: it is 1000.0 s after the first frame of a video of 6.0 s" in capsys.readouterr().err
    with h5py.File(path, "a") as file:
        del file["eye-tracking-video-world"]
        file["eye-tracking-video-world"] = h5py.ExternalLink("other.hdf5", "/")
    assert run("import-dataset", *given, "--overwrite") == 2
    assert "there is no eye-tracking-video-world" in capsys.readouterr().err
    with h5py.File(path, "a") as file:
        del file["experiment-activities/activities/time_s"]
        file["experiment-activities/activities/time_s"] = h5py.Empty("f8")
    assert run("import-dataset", *given, "--overwrite") == 2
    assert "time_s is not an array" in capsys.readouterr().err


def test_pickles_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["hd-epic"](tmp_path / "given")
    (table,) = (tmp_path / "given").rglob("*Narrations.csv")
    table.rename(table.with_suffix(".pkl"))
    assert run("import-dataset", "hd-epic", tmp_path / "given", "--out", tmp_path / "labels") == 2
    assert "a pickle can run any program" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "actionsense"])
def test_line_ends_of_windows_and_letters_in_two_parts(name: str, tmp_path: Path) -> None:
    """The same labels, and names of recordings with accented letters as single characters."""
    for folder, word, end in (("given", "P\u00e1", "\n"), ("windows", "Pa\u0301", "\r\n")):
        WRITERS[name](tmp_path / folder)
        for path in sorted((tmp_path / folder).rglob("*.*")):
            text = path.read_text().replace("PastaSalad", f"{word}Salad").replace("Tea_C1", f"{word}_C1")
            path.write_bytes((b"\xef\xbb\xbf" if end != "\n" else b"") + text.replace("\n", end).encode())
            path.rename(path.with_name(path.name.replace("Tea_C1", f"{word}_C1")))
        assert run("import-dataset", name, tmp_path / folder, "--out", tmp_path / f"{folder}_labels") == 0
    for path in (tmp_path / "given_labels").glob("*.csv"):
        if "unseen" not in path.name:  # kept as it is
            assert path.read_bytes() == (tmp_path / "windows_labels" / path.name).read_bytes()
    if name in ("egtea", "gtea"):
        assert "P\u00e1" in (tmp_path / "windows_labels" / "test.split1.csv").read_text()


def test_a_split_that_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS["egtea"](tmp_path / "given")
    (tmp_path / "given" / "action_annotation" / "test_split3.txt").unlink()
    assert run("import-dataset", "egtea", tmp_path / "given", "--out", tmp_path / "labels") == 0
    assert "no test_split3.txt, so no test.split3.csv" in capsys.readouterr().out
    assert run("import-dataset", "egtea", tmp_path / "given" / "nowhere", "--out", tmp_path / "labels") == 2
    assert "no such folder" in capsys.readouterr().err
    assert run("import-dataset", "charades", tmp_path / "given", "--out", tmp_path / "labels") == 2
    assert "NAME must be one of epic-kitchens-55" in capsys.readouterr().err
