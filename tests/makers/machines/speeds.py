"""Speeds of the engines of the usual backbone, which all who begin at the same time would measure otherwise."""

from pathlib import Path

import pytest

from tests.makers.machines.once import made_once


@pytest.fixture(scope="session")
def measured_engines(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands that extract with real weights, here or in processes of their own, find them in the cache."""

    def measure(_: Path) -> None:
        from egoact.engines.loading import offered_pairs, rank_engines
        from egoact.models.backbones.registry import load_backbone

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("egoact.engines.loading.MIN_SECONDS", 0.05)  # which is enough to tell them apart
            patch.setattr("egoact.engines.loading.BATCHES", {"cpu": (1,)})  # the least that each engine takes
            pairs = offered_pairs("auto", "auto", "cpu")
            assert len(rank_engines(load_backbone("efficientnet_lite0"), pairs, device="cpu")) == len(pairs)

    made_once(tmp_path_factory, "speeds", measure)
