"""A graph of the shipped turns and leaves with keys that everybody knows: for weighing, for the model, for pictures."""

from __future__ import annotations

from btc_l2.zkvm.outcome import Endian
from challenger.commit import GameId, public_keys
from challenger.turns import Game, GameInput, build_game
from taproot.connectors.turn import Role
from taproot.graph import Funding, Graph, build_graph
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.parties import Parties, Party
from taproot.terms import Terms
from taproot.tx import OutPoint
from taproot.units import MAX_DIGEST

SEED = bytes(range(32))
FEW_ROUNDS = (2, 2)  # arities of a search that a test or a model can exhaust


def sample_terms(arities: tuple[int, ...], digest: int = MAX_DIGEST) -> Terms:
    """Terms with an exit delay that bounds no search."""
    return Terms(arities=arities, digest=digest, exit_delay=20_000)


def sample_parties(challengers: int, plain: int = 0) -> Parties:
    """Parties with public keys that everybody knows; the first `plain` signers sign without MuSig2."""
    count = max(3, challengers, plain)
    second = {i: SecretKey(sha256(b"weigh/plain/%d" % i)).x_only for i in range(plain)}
    party = [Party(f"p{i}", SecretKey(sha256(b"weigh/%d" % i)).public_key, second.get(i)) for i in range(count + 2)]
    return Parties(tuple(party[:count]), party[count], tuple(p.name for p in party[:challengers]), party[count + 1])


def sample_game(
    arities: tuple[int, ...], parties: Parties, name: str, endian: Endian = "big", digest: int = MAX_DIGEST
) -> Game:
    """The game of a challenger with keys that everybody knows."""
    game = GameId("weigh", parties.operator.name, name)
    public = {m: key for role in Role for m, key in public_keys(SEED, game, role, arities, digest).items()}
    keys = (parties.n_of_n().domain, parties.operator.x_only, parties.party(name).x_only)
    return build_game(GameInput(name, *keys, arities, public, bytes(32), endian, digest))


def sample_graph(terms: Terms, challengers: int = 2) -> Graph:
    """The graph of these terms on outpoints that stand on no chain."""
    return sample_deposit(terms, challengers)[0]


def sample_deposit(terms: Terms, challengers: int = 2, plain: int = 0) -> tuple[Graph, dict[str, Game]]:
    """`sample_graph` with the game of each challenger."""
    parties = sample_parties(challengers, plain)
    games = {j: sample_game(terms.arities, parties, j, digest=terms.digest) for j in parties.challengers}
    pool = 2 + len(terms.stakes)
    points = [OutPoint(sha256(b"weigh/out/%d" % i), 0) for i in range(pool + challengers)]
    bonds = dict(zip(parties.challengers, points[pool:], strict=True))
    funding = Funding(points[0], tuple(points[2:pool]), bonds, points[1])
    return build_graph(terms, parties, funding, {j: game.scripts for j, game in games.items()}), games
