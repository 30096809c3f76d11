import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from egoact.commands.data.stats import StatsSettings, stats
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.report.stats import write_report
from tests.makers.machines.places import SHARED

DATA = SHARED / "data"

SEGMENTS = """video_id,start_seconds,stop_seconds,verb,noun
P1_a,0,1,take,cup
P1_a,1,3,take,cup
P1_b,2,4,put,<b>cup</b>
P2_c,0,8,take,$knife
P2_c,8,9,,
"""
CLASSES = {
    "verb_classes.csv": "id,key,category\n0,put,leave\n1,take,retrieve\n2,cut,split\n",
    "noun_classes.csv": "id,key\n0,cup\n1,<b>cup</b>\n2,$knife\n",
    "tail_verbs.csv": "verb\n2\n",
}


@pytest.fixture
def settings(tmp_path: Path) -> StatsSettings:
    (tmp_path / "mine.csv").write_text(SEGMENTS)
    return StatsSettings(segments=(tmp_path / "mine.csv",), out=tmp_path / "deep" / "out")


def with_classes(settings: StatsSettings) -> StatsSettings:
    folder = settings.segments[0].parent / "classes"
    folder.mkdir()
    for name, text in CLASSES.items():
        (folder / name).write_text(text)
    return StatsSettings(segments=settings.segments, out=settings.out, classes=folder)


def test_tables_of_words(settings: StatsSettings) -> None:
    assert stats(settings) == 0
    assert sorted(path.name for path in settings.out.iterdir()) == [
        "durations.csv",
        "nouns.csv",
        "participants.csv",
        "summary.json",
        "verb_noun_pairs.csv",
        "verbs.csv",
    ]
    verbs = pd.read_csv(settings.out / "verbs.csv")
    assert verbs["name"].tolist() == ["take", "put"]
    assert verbs["num_segments"].tolist() == [3, 1]
    assert verbs["percent"].tolist() == [75, 25]
    assert verbs["cumulative_percent"].tolist() == [75, 100]
    assert verbs["median_seconds"].tolist() == [2, 2]
    pairs = pd.read_csv(settings.out / "verb_noun_pairs.csv")
    assert list(zip(pairs["verb"], pairs["noun"], pairs["num_segments"], strict=True))[0] == ("take", "cup", 2)
    assert pairs["num_segments"].sum() == 4
    people = pd.read_csv(settings.out / "participants.csv").set_index("participant_id")
    assert people.loc["P1"].to_dict() == {
        "num_videos": 2,
        "num_segments": 3,
        "labelled_seconds": 5,
        "num_verbs": 2,
        "num_nouns": 2,
    }
    durations = pd.read_csv(settings.out / "durations.csv")
    assert durations["num_segments"].sum() == 5
    assert (durations["stop_seconds"] > durations["start_seconds"]).all()
    summary = json.loads((settings.out / "summary.json").read_text())
    assert summary["num_videos"] == 3
    assert summary["unlabelled"] == {"verb": 1, "noun": 1}
    assert summary["median_seconds"] == 2


def test_tables_of_classes_and_categories(settings: StatsSettings) -> None:
    settings = with_classes(settings)
    stats(settings)
    verbs = pd.read_csv(settings.out / "verbs.csv")
    assert verbs["name"].tolist() == ["take", "put", "cut"]
    assert verbs["in_tail_list"].tolist() == [False, False, True]
    assert verbs["num_segments"].tolist() == [3, 1, 0]
    categories = pd.read_csv(settings.out / "verb_categories.csv")
    assert dict(zip(categories["name"], categories["num_segments"], strict=True)) == {
        "retrieve": 3,
        "leave": 1,
        "split": 0,
    }
    assert not (settings.out / "noun_categories.csv").exists()


def test_the_page_holds_everything_and_no_foreign_markup(settings: StatsSettings) -> None:
    settings = with_classes(settings)
    stats(settings)
    write_report(settings)
    page = (settings.out / "stats.html").read_text(encoding="utf-8")
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    names = ["verbs", "verb_categories", "nouns", "verb_noun_pairs", "durations", "participants"]
    assert [base64.b64decode(image) for image in images] == [
        (settings.out / f"{name}.png").read_bytes() for name in names
    ]
    assert "&lt;b&gt;cup&lt;/b&gt;" in page
    assert "<b>cup</b>" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "75.0 %" in page


def test_verbs_alone_and_no_labels_at_all(tmp_path: Path) -> None:
    for name, labels in (("verbs", ",verb_class\n"), ("nothing", "\n")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"video_id,start_seconds,stop_seconds{labels}a,0,1{',3' * (name == 'verbs')}\n")
        settings = StatsSettings(segments=(path,), out=tmp_path / name)
        assert stats(settings) == 0
        write_report(settings)
        tables = json.loads((settings.out / "summary.json").read_text())["tables"]
        assert tables == ["durations", "participants"] + ["verbs"] * (name == "verbs")
        assert (settings.out / "stats.html").stat().st_size > 5000


def test_many_classes_in_any_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.report.stats_figures._CLASSES_PER_ROW", 5)
    rows = "".join(f"v,{i},{i + 1},切る{i % 60},={'x' * 60}{i % 9}\n" for i in range(70))
    path = tmp_path / "many.csv"
    path.write_text("video_id,start_seconds,stop_seconds,verb,noun\n" + rows, encoding="utf-8")
    settings = StatsSettings(segments=(path,), out=tmp_path / "out")
    stats(settings)
    write_report(settings)
    assert "切る59" in (settings.out / "verbs.csv").read_text(encoding="utf-8")
    assert ",'=xxx" in (settings.out / "nouns.csv").read_text(encoding="utf-8")


def test_what_does_not_fit_is_refused(settings: StatsSettings) -> None:
    settings = with_classes(settings)
    assert settings.classes is not None
    with pytest.raises(ArtifactError, match="summary.json: cannot be read"):
        write_report(settings)
    (settings.classes / "noun_classes.csv").write_text("id,key\n0,cup\n")
    with pytest.raises(AnnotationError, match="row 4, column noun: '<b>cup</b>' is not a word"):
        stats(settings)
    (settings.classes / "noun_classes.csv").unlink()
    with pytest.raises(AnnotationError, match="no noun classes here"):
        stats(settings)
    with pytest.raises(ArtifactError, match="this is a file"):
        stats(StatsSettings(segments=settings.segments, out=settings.segments[0]))


def test_statistics_alone_need_no_plotting_library(settings: StatsSettings) -> None:
    code = (
        "import sys; from pathlib import Path; from egoact.commands.data.stats import StatsSettings, stats; "
        "import egoact.report.stats; "
        "stats(StatsSettings(segments=(Path(sys.argv[1]),), out=Path(sys.argv[2]))); "
        "assert not {'matplotlib', 'torch', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(settings.segments[0]), str(settings.out)], check=True)


def test_published_annotations(tmp_path: Path) -> None:
    folder = DATA / "epic-kitchens-100"
    if not folder.exists():
        pytest.skip("needs the EPIC-KITCHENS-100 annotations in ../shared/data")
    settings = StatsSettings(segments=(folder / "EPIC_100_validation.csv",), classes=folder, out=tmp_path)
    stats(settings)
    verbs, nouns = (pd.read_csv(tmp_path / f"{target}s.csv") for target in ("verb", "noun"))
    assert ((verbs["num_segments"] > 0).sum(), (nouns["num_segments"] > 0).sum()) == (78, 211)
    assert verbs["percent"].max() == pytest.approx(20.04, abs=0.005)
    pairs = pd.read_csv(tmp_path / "verb_noun_pairs.csv")
    assert pairs["percent"].max() == pytest.approx(2.35, abs=0.005)
    assert len(pd.read_csv(tmp_path / "verb_categories.csv")) == 13
    assert len(pd.read_csv(tmp_path / "noun_categories.csv")) == 21
    assert len(pd.read_csv(tmp_path / "participants.csv")) == 32
