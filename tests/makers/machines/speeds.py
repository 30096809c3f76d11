"""Speeds of the engines of the usual backbone, which all who begin at the same time would measure otherwise."""

from pathlib import Path

import pytest

from tests.makers.machines.once import made_once


@pytest.fixture(scope="session")
def measured_engines(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands that extract with real weights, here or in processes of their own, find them in the cache.

    The engine that is fastest on processors is measured, and of the others, which take most of the time, said that they
    are slow.
    """

    def measure(_: Path) -> None:
        from egoact.engines.loading import offered_pairs, rank_engines
        from egoact.engines.speed_cache import Speed, SpeedCache
        from egoact.models.backbones.registry import load_backbone

        backbone, pairs = load_backbone("efficientnet_lite0"), offered_pairs("auto", "auto", "cpu")
        for name, precision in pairs:
            if name != pairs[0][0]:
                SpeedCache(backbone, device="cpu").put(Speed(name, precision, 16, 0.1))
        rank_engines(backbone, pairs, device="cpu")

    made_once(tmp_path_factory, "speeds", measure)
