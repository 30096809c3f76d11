"""Miniature data sets in the layouts in which they are published: annotations alone, no recordings."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

Stretches = Sequence[tuple[float, float, str]]

VERBS = ("open", "close", "cut")
NOUNS = ("fridge", "cutting board")
SESSIONS: dict[str, Stretches] = {
    "OP01-R01-PastaSalad": [(0.5, 2.0, "open"), (2.0, 3.25, "cut")],
    "P02-R02-TurkeySandwich": [(1.0, 4.0, "close")],
    "P03-R03-BaconAndEggs": [(4.5, 6.0, "open"), (6.5, 8.0, "close")],
}


def write_epic_55(folder: Path) -> None:
    """Two labelled actions, and one of the test with unseen kitchens."""
    write(
        folder / "EPIC_train_action_labels.csv",
        "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,verb,verb_class,"
        "noun,noun_class,all_nouns,all_noun_classes",
        "0,P01,P01_01,open fridge,00:00:00.50,00:00:02.00,30,120,open,0,fridge,0,['fridge'],[0]",
        "1,P01,P01_01,cut on board,00:00:02.00,00:00:03.25,120,195,slice,2,board,1,\"['board', 'fridge']\",\"[1, 0]\"",
    )
    write(
        folder / "EPIC_test_s2_timestamps.csv",
        "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame",
        "7,P32,P32_01,00:01:00.00,00:01:01.50,3600,3690",
    )
    for target, names in (("verb", VERBS), ("noun", NOUNS)):
        rows = [f"{number},{name},\"['{name}', '{name[:3]}']\"" for number, name in enumerate(names)]
        rows[-1] = rows[-1].replace("'cut']", "'slice']").replace("'cut'", "'board'") if target == "noun" else rows[-1]
        write(folder / f"EPIC_{target}_classes.csv", f"{target}_id,class_key,{target}s", *rows)


def write_epic_100(folder: Path) -> None:
    """One action on each side, and the lists of tail classes and unseen participants."""
    head = (
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame"
    )
    labels = ",narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
    times = "00:00:00.600,00:00:00.50,00:00:02.00"
    for part, video, frames in (("train", "P01_01", "30,120"), ("validation", "P18_101", "25,100")):
        row = f"{video}_0,{video[:3]},{video},{times},{frames},open fridge,open,0,fridge,0,['fridge'],[0]"
        write(folder / f"EPIC_100_{part}.csv", head + labels, row)
    write(folder / "EPIC_100_test_timestamps.csv", head, f"P33_101_0,P33,P33_101,{times},25,100")
    for target, names in (("verb", VERBS), ("noun", NOUNS)):
        rows = [f"{number},{name},['{name}'],things" for number, name in enumerate(names)]
        write(folder / f"EPIC_100_{target}_classes.csv", "id,key,instances,category", *rows)
        write(folder / f"EPIC_100_tail_{target}s.csv", target, "1")
    write(folder / "EPIC_100_unseen_participant_ids_validation.csv", "participant_id", "P18")


def write_egtea(folder: Path, sessions: Mapping[str, Stretches] = SESSIONS) -> None:
    """Three splits of recordings: in each, the clips of another third of them are the test side."""
    place = folder / "action_annotation"
    for target, names in (("verb", VERBS), ("noun", NOUNS)):
        write(place / f"{target}_idx.txt", *(f"{name} {number}" for number, name in enumerate(names, 1)))
    for split in (1, 2, 3):
        sides: dict[str, list[str]] = {"train": [], "test": []}
        for number, (session, stretches) in enumerate(sessions.items()):
            for start, stop, verb in stretches:
                frames = f"F{int(start * 24):06d}-F{int(stop * 24) + 9:06d}"
                clip = f"{session}-{round(start * 1000)}-{round(stop * 1000)}-{frames}"
                nouns = "2 1" if verb == "cut" else "1"
                line = f"{clip} 1 {VERBS.index(verb) + 1} {nouns}"
                sides["test" if number % 3 == split - 1 else "train"].append(line)
        for side, lines in sides.items():
            write(place / f"{side}_split{split}.txt", *lines)


def write_ms_tcn(folder: Path, recordings: Mapping[str, Stretches], *, rate: int) -> None:
    """A label of each frame, with a second of background behind the last action; the first recording is the test."""
    for video, stretches in recordings.items():
        frames = ["background"] * round((stretches[-1][1] + 1) * rate)
        for start, stop, verb in stretches:
            first, end = round(start * rate), round(stop * rate)
            frames[first:end] = [verb] * (end - first)
        write(folder / "groundTruth" / f"{video}.txt", *frames)
    write(folder / "mapping.txt", *(f"{number} {name}" for number, name in enumerate((*VERBS, "background"))))
    test, *train = recordings
    for side, videos in (("train", train), ("test", [test])):
        write(folder / "splits" / f"{side}.split1.bundle", *(f"{video}.txt" for video in videos))


def write_assembly101(folder: Path) -> None:
    """A sequence for training and one whose labels are withheld."""
    place = folder / "coarse-annotations"
    columns = "action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls"
    write(place / "actions.csv", columns, "0,0,0,open fridge,open,fridge", "1,2,1,cut board,cut,cutting board")
    with (place / "actions.csv").open("a") as file:
        file.write("2,1,0,close fridge,close,fridge\n")
    name = "nusar-2021_action_both_{0}-a30_{0}_user_id_2021-02-04_132852"
    first, test = name.format(9033), name.format(9086)
    rows = ("000000015\t000000060\topen fridge", "000000060\t000000098\tcut board")
    write(place / "coarse_labels" / f"assembly_{first}.txt", *rows)
    write(place / "coarse_labels" / f"disassembly_{first}.txt", "000000300\t000000330\tclose fridge")
    for kind in ("assembly", "disassembly"):
        for side, sequence in (("train", first), ("test", test)):
            shared = "notshared" if side == "test" else "notshared\ta30\tsuv"
            write(place / "coarse_splits" / f"{side}_coarse_{kind}.txt", f"{kind}_{sequence}.txt\t{shared}")


def write_ego4d(folder: Path) -> None:
    """Narrations of two people in two passes, moments by two annotators, and the metadata of both videos."""
    texts = (
        (0.2, "#C C Opens the fridge"),
        (5.1, "#O A man X talks"),
        (10.0, "#C C cuts a tomato."),
        (10.0, "#c C looks"),
    )
    narrations = [
        {"timestamp_sec": time, "narration_text": text, "timestamp_frame": int(time * 30)} for time, text in texts
    ]
    videos = {
        "uid-1": {"status": "complete", "narration_pass_1": {"narrations": narrations, "summaries": []}},
        "uid-2": {"status": "complete", "narration_pass_2": {"narrations": narrations[2:3]}},
        "uid-3": {"status": "redacted"},
    }
    write(folder / "v2" / "annotations" / "narration.json", json.dumps(videos))
    splits = {"uid-1": "train", "uid-2": "val", "uid-3": None}
    people = [{"video_uid": uid, "split_fho": split, "fb_participant_id": 7} for uid, split in splits.items()]
    write(folder / "ego4d.json", json.dumps({"videos": people}))
    for side, video in (("train", "uid-1"), ("val", "uid-2")):
        labels = [
            {"label": "open", "primary": True, "video_start_time": 0.5, "video_end_time": 2.0},
            {"label": "close", "primary": False, "video_start_time": 1.0, "video_end_time": 2.0},
        ]
        annotations = [{"annotator_uid": name, "labels": labels} for name in ("a", "b")]
        clips = [{"clip_uid": f"clip-of-{video}", "video_start_sec": 0.0, "annotations": annotations}]
        content = {"version": "1", "videos": [{"video_uid": video, "split": side, "clips": clips}]}
        write(folder / "v2" / "annotations" / f"moments_{side}.json", json.dumps(content))


def write_actionsense(folder: Path, *, rate: float = 25.0) -> None:
    """Two activities and one that went wrong, on the clock of a sensor; the video begins 100 s after it."""
    import h5py

    rows = [("open", "Start", 0.5), ("open", "Stop", 2.0), ("cut", "Start", 2.0), ("cut", "Stop", 3.24)]
    rows += [("fall", "Start", 3.5), ("fall", "Stop", 4.0)]
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "2022-06-14_16-38-43_streamLog_actionNet-wearables_S04.hdf5", "w") as file:
        activities = file.create_group("experiment-activities/activities")
        texts = [(name, edge, "Bad" if name == "fall" else "Good", "") for name, edge, _ in rows]
        activities["data"] = np.array([[cell.encode() for cell in row] for row in texts], dtype="S20")
        activities["time_s"] = np.array([[1000.0 + time] for *_, time in rows])
        frames = file.create_group("eye-tracking-video-world/frame_timestamp")
        frames["time_s"] = 1000.0 + np.arange(150)[:, None] / rate


def write_hd_epic(folder: Path) -> None:
    """Two narrated actions, of which one has two main actions, and one narration without."""
    place = folder / "narrations-and-action-segments"
    for target, names in (("verb", VERBS), ("noun", NOUNS)):
        rows = [f"{number},{name},['{name}'],things" for number, name in enumerate(names)]
        write(place / f"HD_EPIC_{target}_classes.csv", "id,key,instances,category", *rows)
    video = "P01-20240202-110250"
    write(
        place / "HD_EPIC_Narrations.csv",
        ",unique_narration_id,participant_id,video_id,narration,start_timestamp,end_timestamp,verbs,main_action_classes",
        f'0,{video}-1,P01,{video},"Open it, slowly.",0.5,2.0,[\'open\'],"[(0, 0)]"',
        f"1,{video}-2,P01,{video},Cut on it.,2.0,3.25,\"['cut', 'open']\",\"[(np.int64(2), np.int64(1)), (0, 0)]\"",
        f"2,{video}-3,P01,{video},Think.,4.0,5.0,[],[]",
    )


def write(path: Path, *lines: str) -> None:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


ACTIONS = SESSIONS["OP01-R01-PastaSalad"]

WRITERS: dict[str, Callable[[Path], None]] = {
    "epic-kitchens-55": write_epic_55,
    "epic-kitchens-100": write_epic_100,
    "egtea": write_egtea,
    "gtea": lambda folder: write_ms_tcn(folder, {"S1_Tea_C1": ACTIONS, "S2_Tea_C1": ACTIONS[:1]}, rate=15),
    "50salads": lambda folder: write_ms_tcn(folder, {"rgb-01-1": ACTIONS, "rgb-02-1": ACTIONS[:1]}, rate=30),
    "breakfast": lambda folder: write_ms_tcn(
        folder, {"P03_cam01_P03_tea": ACTIONS, "P04_stereo01_P04_tea": ACTIONS[:1]}, rate=15
    ),
    "ego4d-narrations": write_ego4d,
    "ego4d-moments": write_ego4d,
    "assembly101": write_assembly101,
    "actionsense": write_actionsense,  # takes h5py
    "hd-epic": write_hd_epic,
}
"""Name on the command line -> what writes such a data set."""
