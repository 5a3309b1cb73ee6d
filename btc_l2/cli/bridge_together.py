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
    Id,
    KeyFiles,
    Network,
    Node,
    To,
)
from btc_l2.cli.output import print_document
from taproot.errors import InvalidInput, Refused, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit
    from btc_l2.chain.protocol import Chain
    from taproot.presigned import Graph
    from taproot.tx import Transaction


def pay_out(
    which: Id, key_file: KeyFiles,
    operator: Annotated[str | None, typer.Option(help="Whom to pay, if several have a graph.")] = None,
    fee_rate: FeeRate = None, home: HomeOption = None, node: Node = None,
    cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """All cosigners pay the vault to the operator, with what is left of his claim; all keys on this machine."""
    from btc_l2.bridge.states import State
    from taproot.connectors.output import payout_script

    place = Home.find(home)
    with place.store() as store, open_chain(node, cookie, network, chain) as opened:
        deposit = _up_to_date(store, which, opened, (State.VAULT, State.CREDITED))
        graphs = _graphs_at(place, deposit, "vault")
        if len(graphs) > 1 and operator is None:
            raise InvalidInput(f"operators {', '.join(sorted(graphs))} have a graph; name one with --operator")
        graph = _graph_to_settle(graphs, operator, opened)
        script_pubkey = payout_script(graph.contract, graph.contract.parties.operator.name)
        tx = _settle(graph, "payout", ("vault",), script_pubkey, key_file, opened, fee_rate, dry_run)
    print_document(told(tx, not dry_run), as_json)


def cancel(
    which: Id,
    key_file: Annotated[list[Path] | None, typer.Option(help="Key file of a cosigner; once for each.")] = None,
    to: To = None, fee_rate: FeeRate = None, home: HomeOption = None, node: Node = None, cookie: Cookie = None,
    network: Network = "regtest", chain: ChainFolder = None, dry_run: DryRun = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give a deposit back: one that was never paid is struck out, else all cosigners pay it to the depositor."""
    from btc_l2.bridge.refund_kit import own_script
    from btc_l2.bridge.skeleton import build_bare_skeleton
    from btc_l2.bridge.states import FINAL, Event, State
    from taproot.address import decode_address

    place = Home.find(home)
    with place.store() as store, open_chain(node, cookie, network, chain) as opened:
        deposit = _up_to_date(store, which, opened, tuple(set(State) - FINAL))
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
    """The graph whose open claim goes along. Raises Refused if another operator's claim would be left to its kills."""
    if not graphs:
        raise Refused("the deposit's graph is unknown here, a claim could be open; run `bridge presigned` first")
    claiming = [name for name, g in graphs.items() if chain.utxo(g.outpoints["asset"]) is not None]
    name = operator or (claiming or sorted(graphs))[0]
    if name not in graphs:
        raise InvalidInput(f"{name} has no graph of this deposit; choose one of {', '.join(sorted(graphs))}")
    if others := [other for other in claiming if other != name]:
        raise Refused(f"{others[0]} has an open claim to this deposit, which could still be killed; settle it with his")
    return graphs[name]


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
