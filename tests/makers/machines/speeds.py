"""Speeds of the engines of the usual backbone, which all who begin at the same time would measure otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.makers.machines.once import made_once

if TYPE_CHECKING:
    from egoact.engines.interface import Engine


@pytest.fixture(scope="session")
def measured_engines(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands that extract with real weights, here or in processes of their own, find them in the cache."""

    def measure(_: Path) -> None:
        from egoact.engines.loading import _rate, offered_pairs, rank_engines
        from egoact.models.backbones.registry import load_backbone

        def rate(engine: "Engine", shape: tuple[int, ...]) -> float:
            """Of a few frames, which is enough to tell them apart."""
            return _rate(engine, (4, *shape[1:]))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("egoact.engines.loading.MIN_SECONDS", 0.05)
            patch.setattr("egoact.engines.loading._rate", rate)
            patch.setattr("egoact.engines.loading.BATCHES", {"cpu": (1,)})  # the least that each engine takes
            pairs = offered_pairs("auto", "auto", "cpu")
            assert len(rank_engines(load_backbone("efficientnet_lite0"), pairs, device="cpu")) == len(pairs)

    made_once(tmp_path_factory, "speeds", measure)
