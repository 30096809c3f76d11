"""The items of the page of `egoact reproduce`, in the report's order: words, tables and pictures of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from egoact.core.accuracy import confusion_matrix
from egoact.core.evaluation_files import read_run
from egoact.report.confusions import choose_shown
from egoact.report.evaluation_figures import draw_confusion, draw_learning_curves
from egoact.report.explain_filters import draw_grids, read_filters, read_grids
from egoact.report.flow import draw_pair, read_pair_flow
from egoact.report.page import inline_picture, render_png
from egoact.report.reproduce_figures import draw_pictures, draw_pooling, draw_reach, draw_recurrent, draw_storage
from egoact.report.reproduce_files import Reproduction, read_picture
from egoact.report.stats_figures import draw_categories, draw_classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD_NAMES = {"lstm": "LSTM", "convlstm": "ConvLSTM", "convnet1d": "ConvNet1D"}
REPORT_TABLE_1 = {
    "lstm": ("7.11", "21.26", "31.58", "266,963"),
    "convlstm": ("12.00", "35.95", "58.3", "446,909"),
    "convnet1d": ("18.17", "50.56", "73.69", "85,137"),
}
REPORT_TABLE_2 = (18.80, 43.49, 55.47, 3.82, 11.08, 17.76, 5.01, 8.18, 10.42)


@dataclass(frozen=True)
class Item:
    """A figure or table.

    Args:
        id: For links.
        title: As in the report.
        says: What the report says.
        difference: One sentence.
        steps: Names of the steps that measured it.
        pictures: (drawing, caption).
        tables: {"columns", "rows", "css"}.
        is_trained: Whether it depends on what was trained on.
        note: What the reader must know, such as another data set.
        side_by_side: Whether the pictures are compared.
    """

    id: str
    title: str
    says: str
    difference: str
    steps: tuple[str, ...]
    pictures: list[tuple[Callable[[], "Figure"], str]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    is_trained: bool = False
    note: str = ""
    side_by_side: bool = False


def list_items(result: Reproduction) -> list[Item]:
    """All items, in the report's order."""
    makers = (
        _figure_3,
        _figure_5,
        _figure_6,
        _figure_7,
        _figure_8,
        _figure_9,
        _figure_10,
        _table_1,
        _figure_11,
        _figure_12,
        _table_2,
        _figure_13,
        _figures_14_15,
        _figure_18,
        _figure_19,
        _figure_20,
        _figure_21,
    )
    return [make(result) for make in makers]


def render(item: Item) -> list[dict[str, str]]:
    """The pictures of an item, inside the page."""
    return [{"source": inline_picture(render_png(draw)), "caption": caption} for draw, caption in item.pictures]


def _figure_3(result: Reproduction) -> Item:
    step = result.steps["figure_03"]
    classes = pd.read_csv(result.out / step["folder"] / "verbs.csv", keep_default_na=False)
    seen = classes[classes["num_segments"] > 0]
    share = seen["percent"].head(5).sum()
    return Item(
        "figure_3",
        "Figure 3: instances of the verbs of EPIC-KITCHENS-55",
        "classes are far from equally frequent; this biases models towards the frequent ones.",
        f"as there, a few verbs make up most of it: the five most frequent of {len(seen)} have {share:.0f} % of the "
        f"{seen['num_segments'].sum():,} segments.",
        ("figure_03",),
        [(lambda: draw_classes(classes, plural="verbs"), f"Verbs of {step['segments']}.")],
        note=_data_note(result, step),
    )


def _figure_5(result: Reproduction) -> Item:
    folder = result.out / result.steps["figure_05"]["folder"]
    described = read_filters(folder)
    ratios = [k["response"] / max(k["best_frame_response"], 1e-9) for k in described["kernels"]]
    beaten = sum(k["response"] > k["best_frame_response"] for k in described["kernels"])
    blocks = sorted({k["block"] for k in described["kernels"]})
    rows = []
    for block in blocks:
        own, real = (
            np.median([k[name] for k in described["kernels"] if k["block"] == block])
            for name in ("response", "best_frame_response")
        )
        rows.append([f"block {block}", f"{own:.2f}", f"{real:.2f}"])
    return Item(
        "figure_5",
        "Figure 5: kernels of MobileNetV2",
        "blocks 1, 4, 8 and 12 of MobileNetV2: edges and fine patterns first, more complex features deeper.",
        f"{beaten} of {len(ratios)} painted pictures move their kernel more than any of {described['num_frames']} real "
        f"frames (median: {np.median(ratios):.1f} times as much), and they grow in complexity as in the report; the "
        f"backbone is {described['backbone']}.",
        ("figure_05",),
        [(lambda: draw_grids(read_grids(folder, described, kind="kernel")), "What kernels of each block look for.")],
        [{"columns": ["median response", "painted", "best real frame"], "rows": rows, "css": ""}],
        note=""
        if described["backbone"] == "mobilenet_v2"
        else "Shown for the packaged backbone, EfficientNet-Lite0, MobileNetV2's successor, which needs no download; "
        "--backbone mobilenet_v2 looks into the report's.",
    )


def _figure_6(result: Reproduction) -> Item:
    base = result.steps["figures_06_07"]
    trained = result.steps["table_2"]["heads"]["convnet1d"]
    settings = read_run(result.out / trained["run"]).settings or {}
    rows = [
        ["20 frames", _shape(base["frames"]), ""],
        [f"{base['backbone']}, frozen", _shape(base["maps"]), f"{base['num_frozen_parameters']:,}"],
        ["global average pooling", _shape(base["pooled"]), "0"],
        [
            "temporal head and classifiers, trained (ConvNet1D)",
            "verbs and nouns",
            f"{settings.get('num_trainable_parameters', 0):,}",
        ],
    ]
    return Item(
        "figure_6",
        "Figure 6: the common base",
        "20 frames through a frozen MobileNetV2, then a temporal subsystem, then one classifier each for verb and "
        "noun.",
        f"the same base; here the frozen part runs once and its {_shape(base['pooled'])} numbers a clip are kept, "
        "where the "
        "report ran it again in each of 100 epochs.",
        ("figures_06_07",),
        tables=[{"columns": ["part", "what comes out", "parameters"], "rows": rows, "css": ""}],
    )


def _figure_7(result: Reproduction) -> Item:
    base = result.steps["figures_06_07"]
    frame = read_picture(result.out / base["folder"] / "frame.jpg")
    return Item(
        "figure_7",
        "Figure 7: global average pooling",
        "a filter as large as the map takes its mean; its code had max pooling under that name.",
        f"over all maps of a clip pooling and the mean differ by at most {base['largest_error']:.1e}: it is the mean "
        "here.",
        ("figures_06_07",),
        [
            (
                lambda: draw_pooling(frame, base["map"], mean=base["mean"], channel=base["channel"]),
                "The strongest map of a frame, and what pooling makes of it.",
            )
        ],
    )


def _figure_8(result: Reproduction) -> Item:
    rows = result.steps["figure_08"]["rows"]
    counts = {row["layer"]: row["num_parameters"] for row in rows if row["outputs"] == 50}
    at_20 = {row["layer"]: row["milliseconds"] for row in rows if row["outputs"] == 50 and row["sequence_length"] == 20}
    table = pd.DataFrame(rows).pivot_table(
        index=["outputs", "layer"], columns="sequence_length", values="milliseconds", sort=False
    )
    parameters = {(row["outputs"], row["layer"]): row["num_parameters"] for row in rows}
    cells = [
        [f"{layer}, {outputs}", f"{parameters[outputs, layer]:,}", *(f"{value:.1f}" for value in values)]
        for (outputs, layer), values in zip(table.index, table.to_numpy(), strict=True)
    ]
    return Item(
        "figure_8",
        "Figure 8: LSTM against ConvLSTM",
        "with 50 outputs LSTM has 266K parameters and ConvLSTM 4.2M, and the time of ConvLSTM soon outweighs its "
        "advantage (measured on a Tesla K80).",
        f"the same parameters, {counts['LSTM']:,} and {counts['ConvLSTM']:,}; for 20 frames ConvLSTM takes "
        f"{at_20['ConvLSTM'] / at_20['LSTM']:.0f} times as long on one core of this CPU.",
        ("figure_08",),
        [(lambda: draw_recurrent(rows), "Time on a log scale; sequences of 1280 x 8 x 8, kernels 4 x 4, stride 4.")],
        [
            {
                "columns": ["layer, outputs", "parameters", *(f"T = {t}, ms" for t in table.columns)],
                "rows": cells,
                "css": "",
            }
        ],
    )


def _figure_9(result: Reproduction) -> Item:
    step = result.steps["figure_09"]
    last = step["deep"][-1]
    return Item(
        "figure_9",
        "Figure 9: temporal convolutions of different depth",
        "one convolution over the whole sequence, or a hierarchy of small ones.",
        f"drawn from the layers of ConvNet1D, by their gradients: {len(step['deep'])} levels until one output sees "
        f"{last['reach']} of {step['num_frames']} frames; the report's drawing is schematic.",
        ("figure_09",),
        [(lambda: draw_reach(step["num_frames"], step["deep"]), "Grey: frames. Orange: what the first output takes.")],
    )


def _figure_10(result: Reproduction) -> Item:
    step = result.steps["figure_10"]
    folder = result.out / step["folder"]
    pictures = []
    largest = "no categories are known for these labels"
    for target in ("verb", "noun"):
        path = folder / f"{target}_categories.csv"
        if path.exists():
            table = pd.read_csv(path, keep_default_na=False)
            title = f"{len(table)} categories of {target}s"
            pictures.append((_draw_table(table, title), f"Segments of {step['segments']}."))
            if target == "verb":
                top = table.iloc[0]
                largest = f"imbalance remains: the largest verb category, {top['name']}, has {top['percent']:.0f} %"
    return Item(
        "figure_10",
        "Figure 10: categories of EPIC-KITCHENS-100",
        "97 verbs and 300 nouns in 13 and 21 categories; still far from balanced.",
        f"{largest}.",
        ("figure_10",),
        pictures,
        note=_data_note(result, step),
        side_by_side=True,
    )


def _draw_table(table: pd.DataFrame, title: str) -> Callable[[], "Figure"]:
    return lambda: draw_categories(table, title=title)


def _table_1(result: Reproduction) -> Item:
    step, cosines = result.steps["table_1"], result.steps["mistake_features"]["mean_cosine"]
    tables = []
    for variant, css in (("normalised", "right"), ("unnormalised", "wrong")):
        rows = []
        for head, measured in step["heads"].items():
            found, said = measured[variant], REPORT_TABLE_1[head]
            tops = [f"{found[f'top{k}']:.2f}  ({said[i]})" for i, k in enumerate((1, 3, 5))]
            size = f"{step['report_parameters'][head]:,}  ({said[3]})"
            classes = f"{found['num_predicted_classes']} of {len(set(measured['labels']))}"
            rows.append([HEAD_NAMES[head], *tops, size, f"{measured['num_parameters']:,}", classes])
        columns = [
            "here (report)",
            "top-1 %",
            "top-3 %",
            "top-5 %",
            "size, report's shapes",
            "size here",
            "classes answered",
        ]
        tables.append({"columns": columns, "rows": rows, "css": css})
    drops = ", ".join(
        f"{HEAD_NAMES[h]} {m['normalised']['top1']:.0f} to {m['unnormalised']['top1']:.0f}"
        for h, m in step["heads"].items()
    )
    return Item(
        "table_1",
        "Table 1: the temporal subsystems on verb categories",
        "ConvNet1D is best (18.17 %), LSTM worst (7.11 %); put down to chaos of the LSTM and to imbalance.",
        "sizes at the report's shapes are the report's to the last parameter; its accuracies are most likely those "
        f"of a test without normalisation, which costs top-1 here: {drops} % (clips become alike: mean cosine "
        f"{cosines['normalised']:.2f} to {cosines['unnormalised']:.2f}).",
        ("features", "mistake_features", "table_1"),
        tables=tables,
        is_trained=True,
    )


def _curves(result: Reproduction, *, id: str, title: str, says: str, run: str, step: str) -> Item:
    history = read_run(result.out / run).history
    assert history is not None
    first, last = history["train_loss"].iloc[0], history["train_loss"].iloc[-1]
    largest = max(0.0, history["train_loss"].diff().max()) if len(history) > 1 else 0.0
    return Item(
        id,
        title,
        says,
        f"shuffled batches over all recordings: the loss falls from {first:.2f} to {last:.2f} in {len(history)} epochs "
        f"and rises from one epoch to the next by {largest:.2f} at most; accuracy on validation segments is watched "
        "beside it, by the right metric.",
        (step,),
        [(lambda: draw_learning_curves(history), f"{run}, {len(history)} epochs.")],
        is_trained=True,
    )


def _figure_11(result: Reproduction) -> Item:
    says = "the loss falls, with strange peaks, which are laid to training on one group of data after the other."
    title = "Figure 11: training loss of ConvLSTM"
    run = result.steps["table_1"]["heads"]["convlstm"]["run"]
    return _curves(result, id="figure_11", title=title, says=says, run=run, step="table_1")


def _figure_12(result: Reproduction) -> Item:
    title, says = "Figure 12: training loss of LSTM", "the loss falls with the same peaks."
    run = result.steps["table_1"]["heads"]["lstm"]["run"]
    return _curves(result, id="figure_12", title=title, says=says, run=run, step="table_1")


def _table_2(result: Reproduction) -> Item:
    rows = [["ConvNet1D, report", *(f"{value:.2f}" for value in REPORT_TABLE_2)]]
    heads = result.steps["table_2"]["heads"]
    for head, found in heads.items():
        metrics = found["metrics"]
        cells = [_cell(metrics, target, k) for target in ("verb", "noun", "action") for k in (1, 3, 5)]
        rows.append([f"{HEAD_NAMES.get(head, head)}, here", *cells])
    constant = heads["convnet1d"]["metrics"].get("baselines", {}).get("majority", {})
    rows.append(
        [
            "always the same answer",
            *(_cell(constant, target, k) for target in ("verb", "noun", "action") for k in (1, 3, 5)),
        ]
    )
    columns = ["", *(f"{target} top-{k}" for target in ("verb", "noun", "action") for k in (1, 3, 5))]
    return Item(
        "table_2",
        "Table 2: ConvNet1D on all verbs, nouns and actions",
        "verbs 18.80 %, nouns 3.82 %, actions 5.01 % (top-1).",
        "an action cannot be right more often than its noun, so the report's 5.01 against 3.82 is an artefact of its "
        "code "
        "(it looped over 97 classes where there are 300); here actions are ranked as the challenge does, and stay "
        "below.",
        ("table_2",),
        tables=[{"columns": columns, "rows": rows, "css": ""}],
        is_trained=True,
    )


def _cell(metrics: dict[str, Any], target: str, k: int) -> str:
    value = metrics.get(target, {}).get(f"top{k}")
    return "" if value is None else f"{value:.2f}"


def _figure_13(result: Reproduction) -> Item:
    title = "Figure 13: training loss of ConvNet1D on all classes"
    says = "the loss falls, while the model learns a restricted number of classes."
    run = result.steps["table_2"]["heads"]["convnet1d"]["run"]
    return _curves(result, id="figure_13", title=title, says=says, run=run, step="table_2")


def _figures_14_15(result: Reproduction) -> Item:
    step = result.steps["figures_14_15"]
    pictures = [read_picture(result.out / step["folder"] / name) for name in step["pictures"]]
    return Item(
        "figures_14_15",
        "Figures 14 and 15: EPIC-KITCHENS and ImageNet",
        "single objects in the middle there, cluttered scenes with hands here: features of ImageNet may not carry "
        "over.",
        f"frames of {result.data_name} stand for Figure 14; Figure 15 is not shown, because no picture of ImageNet "
        "is part "
        "of this program and nothing is downloaded; how far its features carry is Table 2.",
        ("figures_14_15",),
        [(lambda: draw_pictures(pictures), f"Frames of {result.data_name}.")],
        is_trained=True,
    )


def _figure_18(result: Reproduction) -> Item:
    step = result.steps["figure_18"]
    folder = result.out / step["folder"]
    flows = {method: read_pair_flow(folder / method) for method in ("tvl1", "farneback", "dis")}
    first = read_picture(folder / "first.png")
    medians = ", ".join(f"{name} {np.median(np.hypot(f[..., 0], f[..., 1])):.1f}" for name, f in flows.items())
    return Item(
        "figure_18",
        "Figure 18: an optical flow field",
        "u, v and the magnitude of the flow between two frames (of TV-L1 or Farnebäck).",
        f"all three methods, which agree on the median motion ({medians} pixels); the magnitude is measured from no "
        "motion, "
        "where the report's code measured it from the corner of the scale, so that what stood still was fastest.",
        ("figure_18",),
        [(lambda: draw_pair(first, flows), f"{step['video_id']}, frames {step['frames'][0]} and {step['frames'][1]}.")],
        is_trained=True,
    )


def _figure_19(result: Reproduction) -> Item:
    rows = result.steps["figure_19"]["rows"]
    most = max(row["clips"] for row in rows)
    at = {(row["type"], row["compressed"]): row for row in rows if row["clips"] == most}
    plain, compressed = at["uint8", False], at["uint8", True]
    size = at["float32", False]["disk_bytes"] / plain["disk_bytes"]
    smaller = plain["disk_bytes"] / compressed["disk_bytes"]
    slower = compressed["load_seconds"] / max(plain["load_seconds"], 1e-9)
    return Item(
        "figure_19",
        "Figure 19: uint8 and float32",
        "uint8 loads at least twice as fast and takes a quarter of the space; compression saves disk and costs time.",
        f"float32 is {size:.1f} times as large; compressing uint8 makes it {smaller:.1f} times smaller and "
        f"{slower:.0f} times "
        "slower to load; neither is needed here: the features of a clip are 51 kB, "
        f"{plain['disk_bytes'] / most / 51200:.0f} "
        "times less than its uint8 frames.",
        ("figure_19",),
        [
            (
                lambda: draw_storage(rows),
                f"Real frames of {result.data_name}; clips right after writing, from the page cache.",
            )
        ],
    )


def _confusions(result: Reproduction, *, id: str, title: str, says: str, head: str) -> Item:
    measured = result.steps["table_1"]["heads"][head]
    labels, names = np.array(measured["labels"]), measured["names"]
    pictures: list[tuple[Callable[[], Figure], str]] = []
    for variant, caption in (
        ("normalised", "Normalised as in training."),
        ("unnormalised", "The same run, not normalised."),
    ):
        found = measured[variant]
        counts = confusion_matrix(labels, np.array(found["predictions"]), num_classes=len(names))
        text = (
            f"{caption} {found['num_predicted_classes']} classes answered, {100 * found['largest_share']:.0f} % of all "
        )
        pictures.append(
            (_draw_confusion(counts, names), f"{text}answers are the same one; top-1 {found['top1']:.1f} %.")
        )
    right, wrong = measured["normalised"], measured["unnormalised"]
    return Item(
        id,
        title,
        says,
        f"the same weights answer {right['num_predicted_classes']} classes with normalisation and "
        f"{wrong['num_predicted_classes']} without; the most frequent answer grows from "
        f"{100 * right['largest_share']:.0f} to "
        f"{100 * wrong['largest_share']:.0f} % of all answers.",
        ("mistake_features", "table_1"),
        pictures,
        is_trained=True,
        side_by_side=True,
    )


def _draw_confusion(counts: np.ndarray, names: list[str]) -> Callable[[], "Figure"]:
    return lambda: draw_confusion(choose_shown(counts, names, most=20), target="verb category")


def _figure_20(result: Reproduction) -> Item:
    says = "almost every segment is answered with one category, which is put down to imbalance."
    title = "Figure 20: confusion matrix of ConvLSTM"
    return _confusions(result, id="figure_20", title=title, says=says, head="convlstm")


def _figure_21(result: Reproduction) -> Item:
    says = "most segments are answered with three categories."
    title = "Figure 21: confusion matrix of LSTM"
    return _confusions(result, id="figure_21", title=title, says=says, head="lstm")


def _shape(sizes: list[int]) -> str:
    return " x ".join(str(size) for size in sizes)


def _data_note(result: Reproduction, step: dict[str, Any]) -> str:
    if step["is_real"]:
        return f"Real labels of EPIC-KITCHENS: {step['segments']}."
    return f"These are labels of {result.data_name}, not of EPIC-KITCHENS; --annotations DIR uses the real ones."
