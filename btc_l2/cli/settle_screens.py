"""What a signer reads before he signs a settlement: from where, to whom, what it ends, what it leaves to others.

Every line is computed from his own bundles, or is the proposer's signed word and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from btc_l2.cli.signer_screens import WIDTH, title, words
from challenger.presign.ceremony.accord import Accord, Settles, messages_of, requested
from challenger.presign.ceremony.sighting import SETTLED, UNSPENT, Sighting
from challenger.presign.ending import Count, Ends, find_ends
from taproot.address import encode_address
from taproot.connectors.output import payout_script
from taproot.presigned import Graph
from taproot.tx import P2A_SCRIPT, TxOut

_BLANK = "      "


@dataclass(frozen=True, slots=True)
class Scene:
    """What the screen is made from."""

    accord: Accord
    settlement: Graph  # made from one's own bundles
    graphs: Mapping[str, Graph]  # of all operators, one's own
    name: str
    seen_here: Sighting | None  # by one's own node, if there is one
    others: Sequence[str]  # other settlements of this deposit that one has agreed to

    @property
    def graph(self) -> Graph:
        """Of the operator whose claim goes along."""
        return self.graphs[self.accord.wanted.operator]


def settlement_screen(scene: Scene) -> Iterator[str]:
    """The whole screen."""
    accord, messages = scene.accord, messages_of(requested(scene.settlement))
    wanted = accord.wanted
    yield title(wanted.kind.value, messages.digest())
    yield f"proposed by {accord.proposer}; network {scene.graph.contract.terms.network}"
    yield f"deposit {wanted.deposit}"
    yield f"you are {scene.name}; messages that you would sign, one for each output that is spent: {len(messages.rest)}"
    yield ""
    yield from _spends(scene)
    yield from _pays(scene)
    yield ""
    yield from _seen(scene)
    yield ""
    yield "it ends for good"
    for operator, graph in scene.graphs.items():
        yield from _ends(operator, graph, scene)
    yield "it leaves as they are: stakes, bonds, tickets, and what gates and turns already hold"
    yield "once signed anybody who has it can send it, at any time: the deadline is for signing only"
    for other in scene.others:
        yield f"YOU HAVE AGREED to another settlement of this deposit, {other}: of both the first one sent counts"
    yield ""
    yield from words("compare these words with every other signer before anybody signs", messages.digest())


def _spends(scene: Scene) -> Iterator[str]:
    yield "it spends"
    for source in scene.accord.wanted.seen.sources:
        outpoint, output, _ = scene.graph.output(source)
        yield _amount(source, output.value)
        yield f"{_BLANK}at {outpoint}"


def _pays(scene: Scene) -> Iterator[str]:
    ((name, planned),) = scene.settlement.transactions.items()
    yield "it pays"
    for output in planned.tx.outputs:
        yield _amount(_to_whom(scene, output), output.value)
        if output.script_pubkey != P2A_SCRIPT:
            yield f"{_BLANK}to {encode_address(output.script_pubkey, scene.graph.contract.terms.network)}"
    fee = sum(o.value for o in planned.prevouts) - sum(o.value for o in planned.tx.outputs)
    if scene.accord.wanted.kind is Settles.MOVE:
        yield "no fee: whoever sends it pays one with the anchor"
        yield f"the new graphs: {scene.accord.wanted.successor.hex()[:16]}; all of their signatures are here, checked"
        yield from _policy_lines(scene)
        return
    blank = bytes(scene.settlement.contract.cosigners.signature_bytes)
    size = scene.settlement.assemble(name, {(name, k): blank for k in range(len(planned.inputs))}).vbytes
    yield _amount(f"fee, {scene.accord.wanted.fee_rate} sat/vB for {size} vB, out of it", fee)


def _policy_lines(scene: Scene) -> Iterator[str]:
    following = scene.accord.wanted.next_policy
    if following is None:
        yield "they are of the policy that you have registered here"
        return
    yield f"THEY ARE OF ANOTHER POLICY, {following.digest().hex()[:16]}; it is the one of your bundles of them"
    yield from (f"  {line}" for line in scene.accord.policy.differences(following))


def _to_whom(scene: Scene, output: TxOut) -> str:
    """In plain words: whose key, or that it is an address of nobody here."""
    contract = scene.graph.contract
    if output.script_pubkey == P2A_SCRIPT:
        return "an anchor, for the fee"
    if scene.accord.wanted.kind is Settles.MOVE:
        return "the deposit of the new graphs, all signers' own"
    for party in (*contract.parties.cosigners, contract.parties.depositor):
        if output.script_pubkey == payout_script(contract, party.name):
            return f"{party.name}{' (you)' if party.name == scene.name else ''}, to his own key"
    return "AN ADDRESS OF NOBODY WHO IS NAMED IN THE GRAPHS"


def _seen(scene: Scene) -> Iterator[str]:
    seen, here = scene.accord.wanted.seen, scene.seen_here
    yield f"{scene.accord.proposer} has signed that at height {seen.height} he saw"
    for name in SETTLED:
        yield f"  {name:<14}{seen.states[name]}"
    yield f"your node sees the same at height {here.height}" if here else "no node was asked here: see `--node`"


def _ends(operator: str, graph: Graph, scene: Scene) -> Iterator[str]:
    spent = {scene.graph.outpoints[source] for source in scene.accord.wanted.seen.sources}
    ends = find_ends(graph, spent)
    yield f"  claim of {operator}: {_counted(ends)}"
    if not ends.kills.left:
        return
    is_his = operator == scene.accord.wanted.operator
    if is_his and scene.accord.wanted.seen.states["asset"] != UNSPENT:
        when = f"if {operator} kicks off after all"
    else:
        when = f"if {operator} has an open claim"
    yield f"    {when}: {ends.kills.left:,} kills can still take"
    yield "    his kill token and a stake; such a claim is not settled here"


def _counted(ends: Ends) -> str:
    rows = (("takes", ends.takes), ("kills", ends.kills), ("slashes", ends.slashes))
    return ", ".join(_of_all(what, count) for what, count in rows)


def _of_all(what: str, count: Count) -> str:
    return f"{count.dead:,} of {count.dead + count.left:,} {what}"


def _amount(what: str, value: int) -> str:
    shown = f"{value:,} sat"
    return f"  {what:<{WIDTH - 2 - len(shown)}}{shown}"
