"""A small game and its parties: the whole graph without the machine.

    assert (operator) ── assert ── pick (challenger) ─┬─ pick ── reveal (operator) ── reveal ── verdict (challenger)
                                                      └─ choose ── answer (operator), no move left

One-time keys are hash locks: `assert.k` and `choose.k` are one of two preimages, the others a single one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from challenger.presign.bundle import Bundle
from challenger.presign.proposal import GameKeys, Proposal
from challenger.presign.session import presign
from taproot.connectors.turn import GameScripts, Leaf, Move, Role, Turn, make_leaf
from taproot.graph import Funding, Sign
from taproot.hashes import hash160, sha256
from taproot.keys import SecretKey, sign_schnorr
from taproot.parties import Parties, Party
from taproot.script import Op, Script, script
from taproot.terms import Terms
from taproot.tx import OutPoint, Transaction

NAMES = ("alice", "bob", "carol", "operator", "depositor")
SECRETS = {name: SecretKey(sha256(b"toy " + name.encode())) for name in NAMES}
PLAIN_SECRETS = {name: SecretKey(sha256(b"toy plain " + name.encode())) for name in NAMES}
OPERATOR_MESSAGES = ("assert.0", "assert.1", "reveal")
CHALLENGER_MESSAGES = ("choose.0", "choose.1", "verdict")
TERMS = Terms(arities=(2,), exit_delay=500)

OneTime = Mapping[str, Mapping[str, bytes]]  # role → message → public key


def make_parties(
    signers: tuple[str, ...] = NAMES[:3], challengers: tuple[str, ...] = ("alice", "bob"), plain: Collection[str] = ()
) -> Parties:
    """`plain` names those who sign without MuSig2."""
    second = {name: PLAIN_SECRETS[name].x_only for name in plain}
    named = {name: Party(name, secret.public_key, second.get(name)) for name, secret in SECRETS.items()}
    return Parties(tuple(named[s] for s in signers), named["operator"], challengers, named["depositor"])


def make_funding(terms: Terms = TERMS) -> Funding:
    """Outpoints that stand on no chain."""
    points = [OutPoint(sha256(bytes([k])), k) for k in range(4 + len(terms.stakes))]
    return Funding(points[0], tuple(points[4:]), {"alice": points[1], "bob": points[2]}, points[3])


def preimage(challenger: str, message: str) -> bytes:
    return sha256(f"{challenger} {message}".encode())


def one_time_keys(challenger: str) -> dict[str, dict[str, bytes]]:
    return {
        role.value: {name: hash160(preimage(challenger, name)) for name in names}
        for role, names in ((Role.OPERATOR, OPERATOR_MESSAGES), (Role.CHALLENGER, CHALLENGER_MESSAGES))
    }


@dataclass(frozen=True)
class ToyLeaves:
    """Leaves of one game."""

    keys: Mapping[str, bytes]
    all_keys: Sequence[bytes]
    challenger: bytes

    def of_two(self, name: str) -> Leaf:
        either = script(
            Op.HASH160, Op.DUP, self.keys[f"{name}.0"], Op.EQUAL, Op.SWAP, self.keys[f"{name}.1"], Op.EQUAL, Op.BOOLOR
        )
        return self.signed(name, self.all_keys, either, 1)

    def lock(self, name: str, keys: Sequence[bytes], message: str) -> Leaf:
        return self.signed(name, keys, script(Op.HASH160, self.keys[message], Op.EQUAL), 1)

    def plain(self, name: str, *keys: bytes) -> Leaf:
        checks = [part for key in keys for part in (key, Op.CHECKSIGVERIFY)]
        return make_leaf(name, script(*checks, 1), len(keys), "that they signed")

    def signed(self, name: str, keys: Sequence[bytes], body: Script, items: int) -> Leaf:
        checks = [part for key in keys for part in (key, Op.CHECKSIGVERIFY)]
        return make_leaf(name, script(*checks) + body, items + len(keys), "a preimage")


def make_game(parties: Parties, challenger: str, one_time: OneTime) -> GameScripts:
    key = parties.party(challenger).x_only
    toy = ToyLeaves({**one_time["operator"], **one_time["challenger"]}, parties.n_of_n().keys, key)
    turns = [
        Turn("assert", Role.OPERATOR, (Move("assert", toy.of_two("assert"), "pick"),)),
        Turn(
            "pick",
            Role.CHALLENGER,
            (
                Move("pick", toy.plain("pick", *toy.all_keys, key), "reveal"),
                Move("choose", toy.of_two("choose"), "answer"),
            ),
            (toy.lock("wrong.0", (key,), "assert.0"), toy.lock("wrong.1", (key,), "assert.1")),
        ),
        Turn("reveal", Role.OPERATOR, (Move("reveal", toy.lock("reveal", toy.all_keys, "reveal"), "verdict"),)),
        Turn("verdict", Role.CHALLENGER, (), (toy.plain("wrong", key), toy.lock("worse", (key,), "verdict"))),
        Turn("answer", Role.OPERATOR, ()),
    ]
    return GameScripts(challenger, "assert", {turn.name: turn for turn in turns})


def make_games(parties: Parties) -> dict[str, GameScripts]:
    return {j: make_game(parties, j, one_time_keys(j)) for j in parties.challengers}


def make_proposal(terms: Terms = TERMS, funding: Funding | None = None, plain: Collection[str] = ()) -> Proposal:
    parties = make_parties(plain=plain)
    keys = {j: GameKeys(**one_time_keys(j)) for j in parties.challengers}
    return Proposal(terms, parties, funding or make_funding(terms), keys, {"image_root": sha256(b"toy image")})


def build_toy_games(proposal: Proposal) -> dict[str, GameScripts]:
    """The `BuildGames` of this game."""
    both = {j: {"operator": k.operator, "challenger": k.challenger} for j, k in proposal.one_time.items()}
    return {j: make_game(proposal.parties, j, both[j]) for j in proposal.parties.challengers}


def presign_toy(terms: Terms = TERMS, funding: Funding | None = None, plain: Collection[str] = ()) -> Bundle:
    return presign(make_proposal(terms, funding, plain), cosigning_secrets(plain), build_toy_games)


def cosigning_secrets(plain: Collection[str] = ()) -> dict[str, SecretKey]:
    """With which each cosigner signs in the n-of-n."""
    return SECRETS | {name: PLAIN_SECRETS[name] for name in plain}


def signing(*names: str) -> dict[str, Sign]:
    """Live signatures of these parties."""
    return {name: partial(sign_schnorr, SECRETS[name]) for name in names}


def witness_items(name: str, leaf: str) -> tuple[bytes, ...]:
    """What a leaf of the game wants below its signatures."""
    message = {"assert": "assert.0", "choose": "choose.1", "reveal": "reveal", "worse": "verdict"}.get(leaf)
    message = leaf.replace("wrong", "assert") if leaf.startswith("wrong.") else message
    return () if message is None else (preimage(name.split("/")[0], message),)


def find_disproof(bundle: Bundle, name: str) -> str | None:
    """The first disproof leaf if the transaction is a disproof."""
    spend = bundle.graph.planned(name).inputs[0]
    if spend.leaf is not None:
        return None
    paths = bundle.graph.outputs[spend.output].paths
    return next(leaf for leaf, path in paths.items() if path.parties == (spend.slots[0].party,))


def play(bundle: Bundle, name: str, leaf: str | None = None, fee_rate: float = 1.0) -> Transaction:
    """The transaction as an honest player makes it; free ones pay to the player's key."""
    planned = bundle.graph.planned(name)
    leaf = leaf or find_disproof(bundle, name)
    items = witness_items(name, leaf or planned.inputs[0].leaf or "")
    if planned.free:
        script_pubkey = planned.tx.outputs[0].script_pubkey
        return bundle.graph.finalize(name, bundle.signatures, signing(*NAMES), script_pubkey, fee_rate, leaf, items)
    return bundle.graph.assemble(name, bundle.signatures, signing(*NAMES), leaf, items)
