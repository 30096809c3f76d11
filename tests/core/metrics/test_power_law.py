"""The power law of learning curves, against SciPy's general least squares."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from egoact.core.metrics.power_law import fit_power_law


@pytest.mark.parametrize(("limit", "drop", "exponent"), [(80, 40, 0.5), (95, 70, 0.9), (60, 5, 0.3)])
def test_a_curve_without_noise_is_found(limit: float, drop: float, exponent: float) -> None:
    sizes = [1, 2, 4, 8, 16, 32]
    law = fit_power_law(sizes, [limit - drop * n**-exponent for n in sizes])
    assert law([64, 128]) == pytest.approx(limit - drop * np.array([64, 128]) ** -exponent, abs=0.3)


def test_noise_is_met_as_scipy_meets_it() -> None:
    random = np.random.default_rng(3)
    sizes = np.repeat([1, 2, 4, 8, 16, 32], 30)
    values = 85 - 50 * sizes**-0.6 + random.normal(0, 2, len(sizes))
    ours = fit_power_law(sizes.tolist(), values.tolist())
    theirs, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, sizes.astype(float), values, p0=(80, 40, 0.5))
    wanted = [3, 24, 64]
    assert ours(wanted) == pytest.approx(theirs[0] - theirs[1] * np.array(wanted) ** -theirs[2], abs=0.6)


def test_no_curve_ends_above_what_is_possible_or_falls() -> None:
    assert fit_power_law([1, 2, 4], [10, 50, 95]).limit == 100
    falling = fit_power_law([1, 2, 4], [60, 50, 40])
    assert falling.drop == 0 and falling([100])[0] == pytest.approx(50)


@pytest.mark.parametrize(("sizes", "values"), [([1], [2]), ([2, 2], [1, 3]), ([0, 1], [1, 2]), ([1, 2], [1])])
def test_impossible_points_are_refused(sizes: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        fit_power_law(sizes, values)
    with pytest.raises(ValueError, match="weight"):
        fit_power_law([1, 2], [1, 2], weights=[1, 0])
