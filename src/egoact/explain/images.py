"""Pictures that gradients can paint: Fourier coefficients in decorrelated colours, and random views of them.

Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill, doi:10.23915/distill.00007.
Shapes: K pictures of S x S pixels.
"""

import math

import torch
from torch import Tensor, nn

# Square root of the covariance of colours in natural pictures (the constants of the paper): rows R, G, B.
_COLOUR_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_GREY = 0.5


class FourierPictures(nn.Module):
    """K pictures as the coefficients of their Fourier transform, scaled so that natural spectra cost nothing.

    A step of the optimiser changes all frequencies alike, instead of single pixels: without it gradient ascent ends
    in noise of high frequency. Colours are those of natural pictures' principal axes, and stay within 0 and 1.

    Args:
        num_pictures: K.
        size: S, pixels.
        generator: Of the faint noise that it starts from.
    """

    scale: Tensor
    colours: Tensor

    def __init__(self, num_pictures: int, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        shape = (num_pictures, 3, size, size // 2 + 1, 2)
        self.spectrum = nn.Parameter(0.01 * torch.randn(shape, generator=generator))
        frequency = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
        self.register_buffer("scale", size / frequency.clamp_min(1 / size) / 4)
        root = torch.tensor(_COLOUR_ROOT)
        self.register_buffer("colours", root / root.norm(dim=0).max())

    def forward(self) -> Tensor:
        """The pictures: float (K, 3, S, S) from 0 to 1."""
        spectrum = torch.view_as_complex(self.spectrum) * self.scale
        channels = torch.fft.irfft2(spectrum, s=(self.size, self.size)) / 4
        return torch.einsum("rc,kchw->krhw", self.colours, channels).mul(4).sigmoid()


def view_anew(
    pictures: Tensor, generator: torch.Generator, *, shift_pixels: float = 8, zoom: float = 0.1, degrees: float = 10
) -> Tensor:
    """Each picture a little shifted, zoomed and turned, so that it must please the kernel whichever way it is seen.

    Args:
        pictures: (K, 3, S, S), from 0 to 1; what comes in from outside is grey.
        generator: Of the choices.
        shift_pixels: Largest jitter.
        zoom: Largest change of scale.
        degrees: Largest turn.
    """
    count, _, _, size = pictures.shape
    draws = 2 * torch.rand(4, count, generator=generator) - 1
    shift = draws[:2] * shift_pixels * 2 / size
    scale, angle = 1 + draws[2] * zoom, draws[3] * math.radians(degrees)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([cosine, -sine, shift[0]], -1), torch.stack([sine, cosine, shift[1]], -1)]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    return nn.functional.grid_sample(pictures - _GREY, grid, align_corners=False) + _GREY
