"""The signing ceremony: three signers and the operator, two challengers, 2^32 steps; everybody in one process."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from bench.figure import Figure, at_most, plain, timed
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.guests import find_guest
from challenger.cost import arities_of
from challenger.games import GameLibrary, constants_of
from challenger.presign.proposal import Proposal
from challenger.presign.session import presign
from regtest.party import fund_wallets, lock_standing, make_cast
from regtest.story import one_time_keys
from taproot.connectors.output import Contract
from taproot.terms import Terms


def measure() -> Iterator[Figure]:
    """All figures of this section."""
    terms = Terms(arities=arities_of(32, 4), exit_delay=20_000)
    cast, library = make_cast(1, challengers=2), GameLibrary()
    with EmbeddedChain() as chain:
        wallets = fund_wallets(chain, cast, terms)
        funding = lock_standing(chain, Contract.make(terms, cast.parties), wallets)
    keys, key_seconds = timed(lambda: one_time_keys(cast, terms, funding))
    image = find_guest("hashchain").load_image()
    proposal = Proposal(terms, cast.parties, funding, keys, constants_of(image))
    _, leaf_seconds = timed(lambda: library.games(proposal))
    bundle, sign_seconds = timed(lambda: presign(proposal, cast.keys(), library.scripts))
    yield plain("one-time keys of both games", key_seconds, "s")
    yield plain("leaves of both games", leaf_seconds, "s")
    yield plain("graph, nonces, signatures, checks", sign_seconds, "s")
    yield at_most("together", key_seconds + leaf_seconds + sign_seconds, "s", 30)
    yield at_most("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB", 2048)
    yield plain("transactions of the graph", len(bundle.graph.transactions), "transactions")
    yield plain("n-of-n signatures", len(bundle.signatures), "signatures")
    yield plain("bundle", len(bundle.to_bytes()) / 1e6, "MB")
