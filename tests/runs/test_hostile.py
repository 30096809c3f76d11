"""Runs that a stranger made: one clear line at once, whatever their files ask for."""

import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import BackboneSpec
from egoact.runs.loading import load_run
from egoact.runs.recognizer import CONFIG_NAME, WEIGHTS_NAME, Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter

WRONG = (10**9, -1, 1.5, True, "5", None, float("nan"), [], {})
BACKBONE = BackboneSpec(
    name="tiny-random",
    weights_hash="0" * 64,
    input_size=(64, 96),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.25, 0.5),
    kind="pooled",
    cut=None,
    feature_shape=(6,),
)
VOCABULARIES = {"verb": Vocabulary("verb", ("open", "close")), "noun": Vocabulary("noun", ("tap", "cup"))}
_MEMORY = 2 * 2**30


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """What asks for gigabytes fails here, and not on the machine that the tests share."""
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (own + _MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(params=["relation", "mstcn"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    if request.param == "mstcn":
        config = SegmenterConfig(request.param, VOCABULARIES, (BACKBONE,), rate=4, components=4, options={"width": 8})
        TrainedSegmenter(config, config.build()).save(tmp_path)
    else:
        head = RecognizerConfig(
            request.param, VOCABULARIES, BACKBONE, num_frames=5, dropout=0.5, head_options={"width": 8}, pairs=(0, 3)
        )
        Recognizer(head, head.build()).save(tmp_path)
    return tmp_path


def refused(run: Path) -> str:
    with pytest.raises(ArtifactError) as refusal:
        load_run(run)
    message = str(refusal.value)
    assert "\n" not in message and "\x1b" not in message and len(message) < 1000
    return message


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a JSON value."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def put(values: Any, place: tuple[Any, ...], value: Any) -> None:
    for key in place[:-1]:
        values = values[key]
    values[place[-1]] = value


def test_whatever_stands_for_a_value_the_run_is_loaded_or_refused(run: Path) -> None:
    whole = (run / CONFIG_NAME).read_text(encoding="utf-8")
    num_refused = 0
    for place in places(json.loads(whole)):
        for value in (*WRONG, "\x1b[2J"):
            values = json.loads(whole)
            put(values, place, value)
            (run / CONFIG_NAME).write_text(json.dumps(values))
            try:
                load_run(run)
            except ArtifactError as error:
                num_refused += 1
                assert "\n" not in str(error) and "\x1b" not in str(error)
    assert num_refused > 300


@pytest.mark.parametrize("place", ["num_frames", "num_views", "rate", "members", "components", "input_size", "width"])
def test_large_numbers_are_refused_by_their_names(place: str, run: Path) -> None:
    value, values = 10**9, json.loads((run / CONFIG_NAME).read_text(encoding="utf-8"))
    where: dict[str, Callable[[], None]] = {
        "input_size": lambda: (values.get("backbone") or values["backbones"][0]).update(input_size=[value, value]),
        "width": lambda: values.get("head_options", values.get("options")).update(width=value),
    }
    if place not in where and place not in values:
        return  # of the other kind of run
    where.get(place, lambda: values.update({place: value}))()
    (run / CONFIG_NAME).write_text(json.dumps(values))
    assert place.removeprefix("num_").replace("_", "") in refused(run).replace("_", "").replace("-", "")


def test_a_configuration_cannot_ask_for_more_than_its_weights_have(run: Path) -> None:
    values = json.loads((run / CONFIG_NAME).read_text(encoding="utf-8"))
    values.get("head_options", values.get("options"))["width"] = 60_000
    (run / CONFIG_NAME).write_text(json.dumps(values))
    assert "has shape" in refused(run)


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "7", '{"a":' * 2000, "\x00", '"', "{}", ""])
def test_what_is_no_configuration_is_refused(content: str, run: Path) -> None:
    (run / CONFIG_NAME).write_text(content)
    assert CONFIG_NAME in refused(run)


def test_weights_that_are_not_numbers_are_refused_by_name(run: Path) -> None:
    values = load_file(run / WEIGHTS_NAME)
    for bad in (float("nan"), float("inf")):
        name = next(name for name, tensor in values.items() if tensor.is_floating_point() and tensor.numel())
        changed = values | {name: torch.full_like(values[name], bad)}
        save_file(changed, run / WEIGHTS_NAME)
        message = refused(run)
        assert name in message and "not finite" in message


def test_tensors_that_are_missing_unknown_or_of_other_shapes_are_refused(run: Path) -> None:
    values = load_file(run / WEIGHTS_NAME)
    name = min(values)
    rest = {other: tensor for other, tensor in values.items() if other != name}
    for changed, words in (
        (rest, f"{name} is missing"),
        (values | {"aaa": torch.zeros(3)}, "aaa is unknown"),
        (values | {name: torch.zeros(3, 4, 5)}, f"{name} has shape (3, 4, 5)"),
    ):
        save_file(changed, run / WEIGHTS_NAME)
        assert words in refused(run)


def test_tensors_that_occur_twice_and_headers_that_lie_are_refused(run: Path) -> None:
    tensor = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    for header, body in (
        (b"{" + tensor + b"," + tensor + b"}", b"\0" * 4),
        (b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}', b"\0" * 4),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', b"\0" * 4),
    ):
        (run / WEIGHTS_NAME).write_bytes(len(header).to_bytes(8, "little") + header + body)
        assert WEIGHTS_NAME in refused(run)
    (run / WEIGHTS_NAME).write_bytes(b"\xff" * 8)
    assert WEIGHTS_NAME in refused(run)


def test_links_out_of_the_run_are_not_followed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in (WEIGHTS_NAME, CONFIG_NAME):
        (run / name).rename(elsewhere / name)
        (run / name).symlink_to(elsewhere / name)
        assert "outside of its folder" in refused(run)
