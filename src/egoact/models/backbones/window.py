"""How a video encoder looks at a recording: windows of pictures that slide over it, and rows of features made of them.

    pictures   | . . . . . . . . . . . . . . . . |          num_pictures = 16, tubelet = 2: 8 tokens in time
    rows       |  c  |  c  | keep  keep  |  c  |  c  |      rows = 4 of 4 pictures each; first = 1, stride = 2
    next window            | . . . . . . . . . . . . . . . . |
                           |  c  | keep  keep | c  |

A row stands for `pictures_per_row` pictures and is known by the moment in the middle of them, as the steps of any
stream are: there are `rate` rows a second. Before the recording its first picture stands still, behind it its last one.
Knows nothing about networks or files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Window:
    """Checks itself.

    Args:
        num_pictures: Of a window.
        pictures_per_second: With which they are shown.
        tubelet: Pictures that a token of the encoder spans.
        rows: That a window is pooled to in time.
        parts: (rows, columns) of the picture that tokens are averaged over; their means lie side by side.
        stride: Rows that are kept of a window, and by which the next one is later.
        first: Number of the first row that is kept; those before and behind are context.

    Raises:
        ValueError: Numbers that do not divide each other.
    """

    num_pictures: int
    pictures_per_second: int
    tubelet: int
    rows: int
    parts: tuple[int, int]
    stride: int
    first: int

    def __post_init__(self) -> None:
        if min(self.num_pictures, self.pictures_per_second, self.tubelet, self.rows, *self.parts) < 1:
            raise ValueError("numbers of pictures, tokens and parts must be at least 1")
        if self.num_pictures % self.rows or self.pictures_per_row % self.tubelet:
            most = self.num_pictures // self.tubelet
            raise ValueError(f"a window has {most} tokens in time, which cannot be pooled to {self.rows}")
        if self.pictures_per_second % self.pictures_per_row:
            each = f"{self.pictures_per_second} pictures a second, {self.pictures_per_row} of them a row"
            raise ValueError(f"{each}: that is no whole number of rows a second; change --rate or --tokens")
        if not 1 <= self.stride <= self.rows or not 0 <= self.first <= self.rows - self.stride:
            kept = f"{self.stride} rows from row {self.first} on"
            raise ValueError(f"a window has {self.rows} rows, of which {kept} cannot be kept")

    @property
    def pictures_per_row(self) -> int:
        """Pictures that a row stands for."""
        return self.num_pictures // self.rows

    @property
    def rate(self) -> int:
        """Rows a second."""
        return self.pictures_per_second // self.pictures_per_row

    @property
    def sees_ahead(self) -> bool:
        """Whether rows know what is shown after them."""
        return self.first + 1 < self.rows

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Window":
        """Back from JSON, where tuples have become lists."""
        return cls(**{**values, "parts": tuple(values["parts"])})
