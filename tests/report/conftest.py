"""Pictures as users see them."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def pictures_whose_parts_make_room() -> Iterator[None]:
    """In place of `pictures_drawn_at_once`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egoact.report.figures._HAS_LAYOUT", True)
        yield
