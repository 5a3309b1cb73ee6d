"""Containers need an engine and images; where there are none the tests are skipped, with the reason, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from regtest.node.container import NodeContainer
from regtest.node.engine import connect_engine
from regtest.node.image import TARGETS, has_image
from taproot.errors import Unavailable


@pytest.fixture(scope="session")
def engine() -> Any:
    """An engine with both images."""
    try:
        connected = connect_engine()
        missing = [target for target in TARGETS if not has_image(connected, target)]
        if missing:
            raise Unavailable(f"no image of {' and '.join(missing)} for these sources: run `make containers`")
    except Unavailable as error:
        pytest.skip(str(error))
    return connected


@pytest.fixture
def node(engine: Any) -> Iterator[NodeContainer]:
    """A node of one test."""
    with NodeContainer() as running:
        yield running
