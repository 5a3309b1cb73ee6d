"""Sending what all have signed live (`btc-l2 signer settle … combine`): payout, cancel, and the move of a refresh."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_answers import send, told
from btc_l2.cli.bridge_home import Home, open_chain, read_key
from btc_l2.cli.bridge_options import AsJson, ChainFolder, Cookie, FeeRate, HomeOption, Network, Node
from btc_l2.cli.output import print_document
from taproot.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from btc_l2.chain.protocol import Chain
    from challenger.presign.bundle import Bundle
    from challenger.presign.ceremony.settled import Settled
    from taproot.tx import Transaction

Settlement = Annotated[
    Path | None, typer.Option("--settlement", help="What `btc-l2 signer combine` wrote; no key is needed then.")
]


def send_settled(path: Path, kind: str, chain: Chain, dry_run: bool) -> dict[str, Any]:
    """Judge a payout or cancel, ask the chain about what it spends, broadcast it."""
    settled = load_settled(path, kind)
    check_unspent(settled, chain)
    send(chain, settled.tx, dry_run)
    return {"deposit": str(settled.deposit), "spends": [s.name for s in settled.spent], **told(settled.tx, not dry_run)}


def load_settled(path: Path, kind: str) -> Settled:
    """A settlement of this kind, judged by libbitcoinkernel. Raises InvalidInput for another kind."""
    from challenger.presign.ceremony.settled import Settled

    settled = Settled.load(path)
    if settled.kind.value != kind:
        raise InvalidInput(f"{path} is a {settled.kind.value}, not a {kind}; use the command of that name")
    return settled


def check_unspent(settled: Settled, chain: Chain) -> None:
    """Raises Refused for an output that is not there or another one, and for a claim that was opened since."""
    for spent in settled.spent:
        coin = chain.utxo(spent.outpoint)
        if coin is None:
            raise Refused(f"{spent.name} ({spent.outpoint}) is spent or not there any more; propose a new settlement")
        if coin.output != spent.output:
            raise Refused(f"{spent.name} ({spent.outpoint}) is another output on this chain; name the right node")
    for name, outpoint in settled.absent.items():
        if chain.utxo(outpoint) is not None:
            raise Refused(f"{settled.operator} has opened a claim since, its {name} would be left; propose a new "
                          "settlement, which takes it along")  # fmt: skip


def refresh(
    settlement: Annotated[Path, typer.Option("--settlement", help="The move that `btc-l2 signer combine` wrote.")],
    bundles: Annotated[Path, typer.Option("--bundles", help="Your bundles of the new graphs.")],
    fee_key: Annotated[Path, typer.Option("--fee-key", help="Key file (0600) of the wallet that pays the fees.")],
    fee_rate: FeeRate = None, home: HomeOption = None, node: Node = None, cookie: Cookie = None,
    network: Network = "regtest", chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send the move of a refresh; once it is buried, run again, the new `confirm`."""
    from btc_l2.cli.settle import read_own
    from challenger.agents.wallet import Wallet

    settled, (_, found) = load_settled(settlement, "move"), read_own(bundles)
    bundle = found[min(found)]
    if bundle.proposal.funding.deposit != settled.tx.outpoint(0):
        raise InvalidInput(f"{bundles} are not the graphs over what {settlement} leaves; name the right ones")
    with open_chain(node, cookie, network, chain) as opened:
        wallet = Wallet(opened, read_key(fee_key))
        step = _next_step(settled, bundle, opened)
        if isinstance(step, str):
            document: dict[str, Any] = {"state": step}
        else:
            name, tx = step
            child = wallet.fee_child(tx, fee_rate or opened.estimate_fee())
            opened.broadcast([tx, child])
            document = {"state": f"{name} is sent", "child": child.txid_hex, **told(tx, True)}
        if opened.confirmations(settled.tx.txid):
            _record(Home.find(home), settled, found)
    print_document({"move": settled.tx.txid_hex, "vault": str(bundle.graph.outpoints["vault"]), **document}, as_json)


def _next_step(settled: Settled, bundle: Bundle, chain: Chain) -> tuple[str, Transaction] | str:
    """What is to be sent now, or why nothing is."""
    depth = chain.confirmations(settled.tx.txid)
    if not depth:
        check_unspent(settled, chain)
        return "move", settled.tx
    needed = bundle.proposal.terms.confirmations
    if depth < needed:
        return f"the move is {depth} of {needed} blocks deep; run this again"
    if chain.utxo(bundle.proposal.funding.deposit) is None:
        return "the move and what came after it are confirmed"
    return "confirm", bundle.graph.assemble("confirm", bundle.signatures)


def _record(place: Home, settled: Settled, found: Mapping[str, Bundle]) -> None:
    """The new graphs instead of the old ones in the record of the deposit, where this home has one."""
    first = found[min(found)].graph
    places = {s.outpoint for s in settled.spent} | {first.outpoints["deposit"], first.outpoints["vault"]}
    with place.store() as store:
        for deposit in store.all_deposits():
            if deposit.outpoint == settled.deposit or deposit.vault in places:
                for proposal in (bundle.proposal for bundle in found.values()):
                    place.write_graph(deposit.id, proposal.terms, proposal.parties, proposal.funding)
