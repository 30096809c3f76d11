import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.report.evaluation.timelines import _part
from egoact.report.figures import colour_of


@given(st.text())
def test_every_name_has_a_colour_of_its_own_that_never_changes(name: str) -> None:
    assert re.fullmatch("#[0-9A-F]{6}", colour_of(name))
    assert colour_of(name) == colour_of(name)


def test_few_names_share_a_colour() -> None:
    names = [f"{verb}-{noun}" for verb in ("stir", "peel", "squeeze", "dry") for noun in range(10)]
    assert len({colour_of(name) for name in names}) >= 36
    assert colour_of("take") != colour_of("put")


def test_a_verb_has_its_colour_whatever_stands_beside_it() -> None:
    for others in (("cut",), ("cut", "stir", "take", "put", "wash")):
        segments = tuple(TimelineSegment(i, i + 1.0, verb, None) for i, verb in enumerate(("peel", *others)))
        side = Timeline("v", segments)
        assert _part({"v": {"truth": side, "predicted": side}}, "verb")["colours"]["peel"] == colour_of("peel")
    script = Path(__file__).parents[2] / "src/egoact/report/templates/timeline.js"
    assert "colours[name]" in script.read_text(), "the page of a timeline goes by name, too"
