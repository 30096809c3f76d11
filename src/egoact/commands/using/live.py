"""`egoact live`: what happens now, in front of a camera, in a file played in real time, or in a stream."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.commands.flags import check_positive
from egoact.core.errors import InputError


@dataclass(frozen=True)
class LiveSettings:
    """Say what happens while it happens.

    The newest frame wins: frames that come while a prediction is computed are dropped, never queued. Ends with the
    file, with Ctrl-C, or when the window is closed.
    """

    source: str
    """Camera number (0), video file (played in real time), or URL (rtsp, http, https, rtmp, srt, udp)."""
    run: Path | None = None
    """Run directory of egoact train, or of egoact train-timeline with a segmenter that sees no future (causal,
    causal_tcn); default: one that comes with egoact, trained on rendered kitchens, for a first look."""
    jsonl: str | None = None
    """File to append one line of JSON a prediction to; - is standard output."""
    window: bool = False
    """Show the picture with the action over it in a window."""
    mode: Literal["window", "running"] = "window"
    """window: the last seconds, any head; running: all since the beginning, for heads that go frame by frame.
    Segmenters go step by step anyway."""
    window_seconds: tuple[float, ...] = ()
    """Lengths of the windows; default: half, once and twice that of the median training segment."""
    rate: float | None = None
    """Most frames a second to look at; default: 15, or the steps a second of a run of egoact train-timeline."""
    max_seconds: float | None = None
    """End after so long."""
    timeout: float = 5.0
    """Seconds of silence after which a URL counts as broken."""
    give_up: float = 300.0
    """Seconds without a frame after which a broken URL or camera is not tried again."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What computes the backbone."""
    precision: Literal["auto", "f32", "bf16"] = "auto"
    """Of the computation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; of an ONNX export cpu, cuda or tensorrt."""

    def __post_init__(self) -> None:
        check_positive(self, "rate", "timeout", "give_up", "max_seconds")


def live(settings: LiveSettings) -> int:
    """Predict until the source ends; gives 1 where the source broke before its end, else 0."""
    from egoact.live.loop import LiveLoop, open_lines, summarize
    from egoact.live.sources import find_source
    from egoact.live.streaming import open_run_stream
    from egoact.live.terminal import LiveView
    from egoact.live.window import LiveWindow
    from egoact.runs.loading import EngineChoice, load_run, run_or_packaged
    from egoact.runs.recognizer import RecognizerConfig

    source = find_source(settings.source, timeout=settings.timeout, give_up=settings.give_up)
    source.check()
    with ExitStack() as stack:
        lines = stack.enter_context(open_lines(settings.jsonl))
        window = stack.enter_context(LiveWindow(settings.source)) if settings.window else None
        choice = EngineChoice(settings.weights, settings.engine, settings.precision, settings.device)
        run = load_run(run_or_packaged(settings.run), choice)
        config = run.answers.config
        if isinstance(config, RecognizerConfig) and config.anticipation is not None:
            gap = config.anticipation.gap_seconds
            print(f"live: this run names the action that will begin in {gap:g} s", file=sys.stderr)
        torch = sys.modules.get("torch")  # runs need it, exports do not
        # Its threads would wait for each other, on a busy machine for a second.
        if torch is not None and run.engine.name != "torch":
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        stream = open_run_stream(run, mode=settings.mode, rate=settings.rate, window_seconds=settings.window_seconds)
        view = stack.enter_context(LiveView(settings.source, on_error_output=settings.jsonl == "-"))
        watch = LiveLoop(source, stream, view, size=run.engine.input_size, lines=lines, window=window)
        error = watch.run(max_seconds=settings.max_seconds)
    if error is not None and not (isinstance(error, InputError) and watch.clock.num_predictions):
        raise error
    summarize(watch.clock, watch.num_taken)
    if error is None:
        return 0
    print(f"live: {error}", file=sys.stderr)
    return 1
