"""`btc-l2 bridge payout`, `cancel`, `capital`: what operators and signers do about deposits together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_answers import describe, send, told
from btc_l2.cli.bridge_home import Home, open_chain, read_key
from btc_l2.cli.bridge_options import (
    AsJson,
    ChainFolder,
    Cookie,
    DryRun,
    FeeRate,
    HomeOption,
    Network,
    Node,
    To,
)
from btc_l2.cli.bridge_settled import Settlement, send_settled
from btc_l2.cli.output import print_document
from taproot.errors import InvalidInput, Refused, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit
    from btc_l2.chain.protocol import Chain
    from taproot.presigned import Graph
    from taproot.tx import Transaction


Which = Annotated[str | None, typer.Argument(metavar="[DEPOSIT]", help="Id or unique prefix, or --settlement.")]
KeyFiles = Annotated[
    list[Path] | None, typer.Option("--key-file", help="Test networks: key of a cosigner (0600); once for each.")
]


def pay_out(
    which: Which = None, settlement: Settlement = None, key_file: KeyFiles = None,
    operator: Annotated[str | None, typer.Option(help="Whom to pay, if several have a graph.")] = None,
    fee_rate: FeeRate = None, home: HomeOption = None, node: Node = None,
    cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send a payout that all have signed (`--settlement`); or sign it here, with all keys on this machine."""
    from btc_l2.bridge.states import State
    from taproot.connectors.output import payout_script

    if settlement is not None:
        _send(settlement, "payout", which, key_file, (node, cookie, network, chain), dry_run, as_json)
        return
    place = Home.find(home)
    with place.store() as store, open_chain(node, cookie, network, chain) as opened:
        deposit = _up_to_date(store, _named(which), opened, (State.VAULT, State.CREDITED))
        graphs = _graphs_at(place, deposit, "vault")
        if len(graphs) > 1 and operator is None:
            raise InvalidInput(f"operators {', '.join(sorted(graphs))} have a graph; name one with --operator")
        graph = _graph_to_settle(graphs, operator, opened)
        script_pubkey = payout_script(graph.contract, graph.contract.parties.operator.name)
        tx = _settle(graph, "payout", ("vault",), script_pubkey, key_file or [], opened, fee_rate, dry_run)
    print_document(told(tx, not dry_run), as_json)


def cancel(
    which: Which = None, settlement: Settlement = None, key_file: KeyFiles = None,
    to: To = None, fee_rate: FeeRate = None, home: HomeOption = None, node: Node = None, cookie: Cookie = None,
    network: Network = "regtest", chain: ChainFolder = None, dry_run: DryRun = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give a deposit back: send what all have signed (`--settlement`), or sign it here; an unpaid one is struck out."""
    from btc_l2.bridge.refund_kit import own_script
    from btc_l2.bridge.skeleton import build_bare_skeleton
    from btc_l2.bridge.states import FINAL, Event, State
    from taproot.address import decode_address

    if settlement is not None:
        _send(settlement, "cancel", which, key_file, (node, cookie, network, chain), dry_run, as_json)
        return
    place = Home.find(home)
    with place.store() as store, open_chain(node, cookie, network, chain) as opened:
        deposit = _up_to_date(store, _named(which), opened, tuple(set(State) - FINAL))
        if deposit.state is State.ANNOUNCED:
            if opened.find_coins(deposit.kit.output.script_pubkey):
                raise Refused("something was paid to its address; wait until it is buried, then cancel")
            if not dry_run:
                deposit = store.apply(deposit.id, Event.CANCEL, opened.tip().height, "never paid")
            print_document(describe(deposit, opened), as_json)
            return
        assert deposit.outpoint is not None, "a deposit that is paid has an outpoint"
        source = "vault" if deposit.vault else "deposit"
        graphs = _graphs_at(place, deposit, source)
        if graphs or source == "vault":
            graph = _graph_to_settle(graphs, None, opened)
        else:
            graph = build_bare_skeleton(deposit.terms, deposit.parties, deposit.outpoint)
        script_pubkey = decode_address(to, deposit.terms.network) if to else own_script(deposit.kit)
        tx = _settle(graph, "cancel", (source,), script_pubkey, key_file or [], opened, fee_rate, dry_run)
    print_document(told(tx, not dry_run), as_json)


def show_capital(
    home: HomeOption = None, node: Node = None, cookie: Cookie = None, network: Network = "regtest",
    chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """What every party has locked, and what of each deposit's graph still works."""
    from btc_l2.bridge.capital import survey

    place = Home.find(home)
    with place.store() as store, open_chain(node, cookie, network, chain) as opened:
        graphs = {f"{d.id}.{name}": g for d in store.all_deposits() for name, g in place.graphs(d).items()}
        report = survey(opened, graphs)
    locked = {p: {"sats": report.locked(p), "per_deposit": _each(report.locked_for, p, graphs)} for p in report.parties}
    positions = [
        {"party": p.party, "output": p.name, "sats": p.sats, "state": p.state, "free_at": p.free_at}
        for p in report.positions
    ]
    works = [asdict(w) | {"needs_refresh": w.needs_refresh} for w in report.works]
    print_document({"locked": locked, "positions": positions, "deposits": works}, as_json)


def _send(
    settlement: Path, kind: str, which: str | None, key_file: list[Path] | None,
    where: tuple[str | None, Path | None, str, Path | None], dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    if which or key_file:
        raise InvalidInput("a settlement names its deposit and is signed; leave the id and --key-file out")
    with open_chain(*where) as opened:
        print_document(send_settled(settlement, kind, opened, dry_run), as_json)


def _named(which: str | None) -> str:
    if which is None:
        raise InvalidInput("name the deposit by its id, or what all have signed by --settlement")
    return which


def _each(locked_for: Any, party: str, graphs: Mapping[str, Graph]) -> dict[str, int]:
    return {deposit: locked_for(party, deposit) for deposit in graphs}


def _up_to_date(store: Any, which: str, chain: Chain, states: tuple[Any, ...]) -> Deposit:
    from btc_l2.bridge.follow import follow

    deposit = follow(store, chain, store.get(which).id)
    if deposit.state not in states:
        raise Refused(f"deposit {deposit.id} is {deposit.state.value}; that cannot be done with it now")
    return deposit


def _graphs_at(place: Home, deposit: Deposit, source: str) -> dict[str, Graph]:
    """The graphs whose deposit or vault is where the coins are now: after a refresh only the new ones."""
    here = deposit.vault if source == "vault" else deposit.outpoint
    return {name: g for name, g in place.graphs(deposit).items() if g.outpoints[source] == here}


def _graph_to_settle(graphs: Mapping[str, Graph], operator: str | None, chain: Chain) -> Graph:
    """The graph whose open claim goes along; raises as `find_claimant`."""
    from challenger.presign.ceremony.sighting import find_claimant

    if not graphs:
        raise Refused("the deposit's graph is unknown here, a claim could be open; run `bridge presigned` first")
    return graphs[find_claimant(chain, graphs, operator)]


def _settle(
    graph: Graph, name: str, sources: tuple[str, ...], script_pubkey: bytes, key_files: list[Path], chain: Chain,
    fee_rate: int | None, dry_run: bool,
) -> Transaction:  # fmt: skip
    """Sign with all keys at hand; what is unspent of an open claim goes along."""
    from btc_l2.chain.kernel import find_bad_input
    from challenger.presign.settlement import CLAIM_OUTPUTS, approve_payment, plan_exit_of_all, sign_together

    cosigners = {p.public_key: p.name for p in graph.contract.parties.cosigners}
    secrets = {}
    for path in key_files:
        secret = read_key(path)
        if secret.public_key not in cosigners:
            raise InvalidInput(f"{path} is the key of no cosigner; give those of {', '.join(cosigners.values())}")
        secrets[cosigners[secret.public_key]] = secret
    open_claim = tuple(n for n in CLAIM_OUTPUTS if chain.utxo(graph.outpoints[n]) is not None)
    rate = fee_rate or chain.estimate_fee()
    settlement = plan_exit_of_all(graph, name, (*sources, *open_claim), script_pubkey, rate)
    tx = sign_together(settlement, secrets, approve_payment(script_pubkey, 1))
    prevouts = [(out.value, out.script_pubkey) for out in settlement.planned(name).prevouts]
    if find_bad_input(tx.serialize(), prevouts) is not None:
        raise VerificationFailed(f"libbitcoinkernel does not accept the {name}; nothing was sent, please report it")
    send(chain, tx, dry_run)
    return tx
