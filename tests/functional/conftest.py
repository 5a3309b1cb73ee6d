"""Containers need an engine and images; where there are none the tests are skipped, with the reason, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from regtest.container import NodeContainer
from regtest.container_image import find_image
from regtest.engine import connect_engine
from taproot.errors import Unavailable


@pytest.fixture(scope="session")
def engine() -> Any:
    """An engine with both images."""
    try:
        connected = connect_engine()
        for target in ("node", "package"):
            find_image(connected, target)
    except Unavailable as error:
        pytest.skip(str(error))
    return connected


@pytest.fixture
def node(engine: Any) -> Iterator[NodeContainer]:
    """A node of one test."""
    with NodeContainer() as running:
        yield running
