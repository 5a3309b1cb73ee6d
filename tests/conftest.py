"""What tests of several packages ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regtest.node.bitcoind import Bitcoind, find_bitcoind, find_core
from taproot.errors import Unavailable


@pytest.fixture(scope="module", params=["knots", "core"])
def real_node(request: pytest.FixtureRequest) -> Iterator[Bitcoind]:
    """Knots, then Core, each for all tests of a file."""
    try:
        binary = find_bitcoind() if request.param == "knots" else find_core()
    except Unavailable as error:
        pytest.skip(str(error))
    with Bitcoind(binary=binary) as started:
        yield started
