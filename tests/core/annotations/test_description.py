import pytest

from egoact.core.timelines.prediction import Prediction, describe, noun_phrase, third_person
from egoact.core.timelines.timeline import Timeline, TimelineSegment

THIRD_PERSON = {
    "take": "takes", "put": "puts", "wash": "washes", "mix": "mixes", "dry": "dries", "empty": "empties",
    "press": "presses", "spray": "sprays", "squeeze": "squeezes", "scratch": "scratches", "carry": "carries",
    "apply": "applies", "flush": "flushes", "fix": "fixes", "do": "does", "go": "goes", "have": "has", "be": "is",
    "buzz": "buzzes", "lay": "lays", "unlock": "unlocks", "Open": "Opens", "echo": "echoes", "tie": "ties",
}  # fmt: skip


def test_verbs_in_the_third_person() -> None:
    assert {verb: third_person(verb) for verb in THIRD_PERSON} == THIRD_PERSON


@pytest.mark.parametrize(
    ("verb", "noun", "said"),
    [
        ("open", "fridge", "opens the fridge"),
        ("turn-on", "tap", "turns on the tap"),
        ("turn_off", "hob", "turns off the hob"),
        ("look", "recipe", "looks at the recipe"),
        ("search", "spoon", "searches for the spoon"),
        ("wait", None, "waits"),
        ("let-go", "pan", "lets go of the pan"),
        ("wash", "board:chopping", "washes the chopping board"),
        ("empty", "machine:washing", "empties the washing machine"),
        ("put", "utensils", "puts the utensils"),
    ],
)
def test_actions_in_words(verb: str, noun: str | None, said: str) -> None:
    assert describe(verb, noun) == said


def test_nouns_in_reading_order() -> None:
    assert noun_phrase("onion:spring") == "spring onion"
    assert noun_phrase("coffee_maker") == "coffee maker"


def test_texts_of_a_prediction() -> None:
    segments = (
        TimelineSegment(0.5, 2.25, "turn-on", "tap", 0.87654),
        TimelineSegment(3661.0, 3662.0, None, 'a "cup" --> <b> & co', 0.5),
    )
    prediction = Prediction(Timeline("P01_01", segments, 3700.0), ("verb", "noun"), ({}, {}))
    assert prediction.to_vtt() == (
        "WEBVTT\n\n1\n00:00:00.500 --> 00:00:02.250\nturn-on tap\n\n"
        '2\n01:01:01.000 --> 01:01:02.000\na "cup" --&gt; &lt;b&gt; &amp; co\n'
    )
    assert "\nturns on the tap\n" in prediction.to_vtt(descriptions=True)
    assert prediction.to_csv().splitlines() == [
        "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,narration,verb,noun,confidence",
        "P01_01_0,P01,P01_01,00:00:00.500,00:00:02.250,turn-on tap,turn-on,tap,0.8765",
        'P01_01_1,P01,P01_01,01:01:01.000,01:01:02.000,"a ""cup"" --> <b> & co",,"a ""cup"" --> <b> & co",0.5000',
    ]
    with pytest.raises(ValueError, match="1 rankings for 2 actions"):
        Prediction(prediction.timeline, ("verb",), ({},))
