"""A program of the system that speaks: text in, samples out."""

import io
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from egoact.core.defaults import VOICE
from egoact.core.errors import MediaError
from egoact.media.sound.mixing import even_out
from egoact.media.sound.reader import SoundFormat, decode_sound

_MOST_SECONDS = 120  # for a sentence


class Voice:
    """Speaks, every text once.

    Args:
        command: Program and arguments, as on a command line, but without a shell. `{text}` in it is what to say;
            without it, that is on standard input. `{wav}` is the file to write; without it, that is what it writes to
            standard output. WAV, or any format that FFmpeg knows.

    Raises:
        ValueError: No command, or quotes that do not end.
        MediaError: There is no such program.
    """

    def __init__(self, command: str = VOICE) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"--voice {command}: {error}") from None
        if not self._words:
            raise ValueError("--voice is empty; a program and its arguments are needed")
        if shutil.which(self._words[0]) is None:
            how = "`apt install espeak-ng` brings it; " if self._words[0] == "espeak-ng" else ""
            reason = f"no voice: there is no program {self._words[0]} here; {how}--voice COMMAND takes another one"
            raise MediaError(reason)
        self._said: dict[tuple[str, int], np.ndarray] = {}

    def say(self, text: str, *, rate: int) -> np.ndarray:
        """A text as speech, float32 (N,), `rate` a second, without silence around it; a `MediaError` for no sound."""
        if (text, rate) not in self._said:
            with tempfile.TemporaryDirectory() as folder:
                sound = self._run(text, Path(folder) / "speech.wav")
            samples = even_out(self._decode(sound, rate))
            if not len(samples):
                raise MediaError(f"the voice {self._words[0]} says nothing for {text!r}")
            self._said[text, rate] = samples
        return self._said[text, rate]

    def _run(self, text: str, path: Path) -> bytes:
        places = {"{text}": text, "{wav}": str(path)}
        # Each place once: what is filled in is text, and no place of its own.
        words = [re.sub(r"\{text\}|\{wav\}", lambda place: places[place[0]], word) for word in self._words]
        takes_text, gives_file = (any(place in word for word in self._words) for place in places)
        try:
            done = subprocess.run(
                words,
                input=None if takes_text else text.encode(),
                stdin=subprocess.DEVNULL if takes_text else None,
                capture_output=True,
                timeout=_MOST_SECONDS,
                check=False,
            )
            if done.returncode:
                told = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
                raise MediaError(f"the voice {self._words[0]} fails: {told[-1]}")
            return path.read_bytes() if gives_file else done.stdout
        except FileNotFoundError:
            raise MediaError(f"the voice {self._words[0]} wrote no {{wav}}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MediaError(f"the voice {self._words[0]} fails: {error}") from None

    def _decode(self, sound: bytes, rate: int) -> np.ndarray:
        name = self._words[0]
        try:
            with av.open(io.BytesIO(sound)) as container:
                if not container.streams.audio:
                    raise MediaError(f"the voice {name} gives no sound")
                blocks: list[Any] = [block for _, block in decode_sound(container, SoundFormat(rate, 1))]
        except av.error.FFmpegError as error:
            raise MediaError(f"the voice {name} gives no sound that can be read ({error.strerror})") from None
        return np.concatenate([np.empty((0, 1), np.float32), *blocks])[:, 0]
