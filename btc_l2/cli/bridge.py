"""`btc-l2 bridge`: a depositor's commands, and what operators and signers do about a deposit together.

A deposit is named by its id or a unique prefix. Nothing is broadcast without being checked, and with `--dry-run` the
node only says whether it would take it. docs/bridge.md shows a whole course.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.arguments import read_file
from btc_l2.cli.bridge_home import Home, new_key, open_chain, read_key
from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput, Refused, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit
    from btc_l2.bridge.refund_kit import RefundKit
    from btc_l2.chain.protocol import Chain
    from taproot.presigned import Graph
    from taproot.tx import Transaction

app = typer.Typer(help="Deposit coins, watch them, take them back; pay out and cancel together.", no_args_is_help=True)
kit_app = typer.Typer(help="Refund kits, without a node and without us.", no_args_is_help=True)
app.add_typer(kit_app, name="kit")

HomeOption = Annotated[Path | None, typer.Option("--home", help="State folder; default $BTCL2_HOME, else ~/.btc-l2.")]
Node = Annotated[str | None, typer.Option("--node", envvar="BTCL2_NODE", help="The node: http://HOST:PORT.")]
Cookie = Annotated[Path | None, typer.Option("--cookie", envvar="BTCL2_COOKIE", help="The node's .cookie file.")]
Network = Annotated[str, typer.Option("--network", help="regtest, signet or testnet4.")]
ChainFolder = Annotated[Path | None, typer.Option("--chain", help="Instead of a node: folder of an embedded chain.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask the node whether it would take it, send nothing.")]
FeeRate = Annotated[int | None, typer.Option("--fee-rate", min=1, max=1000, help="sat/vB; default: asked of the node.")]
To = Annotated[str | None, typer.Option("--to", help="Address to pay to; default the party's own key.")]
KeyFiles = Annotated[list[Path], typer.Option("--key-file", help="Key file of a cosigner (0600); once for each.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Id = Annotated[str, typer.Argument(metavar="DEPOSIT", help="Id or unique prefix.")]
OFFLINE_FEE_RATE = 2  # sat/vB


@app.command("deposit")
def announce(
    policy: Annotated[Path, typer.Option(help="The signers' policy (`btc-l2 signer draft`).")],
    operator: Annotated[str | None, typer.Option(help="Whose terms to show; default the first of the policy.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Your key (0600); default a new one in the home.")] = None,
    home: HomeOption = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Announce a deposit: address, descriptor, amount, when it can be taken back, and the refund kit."""
    from challenger.presign.ceremony.registered import Registered
    from taproot.keys import SecretKey
    from taproot.terms import Party

    try:
        registered = Registered.from_json(json.loads(read_file(policy)))
    except ValueError as error:
        raise InvalidInput(f"{policy} is no JSON: {error}; ask the signers for their policy") from error
    secret = SecretKey.generate() if key_file is None else read_key(key_file)
    parties = registered.parties(operator or registered.operators[0], Party("depositor", secret.public_key))
    place = Home.find(home)
    with place.store() as store:
        deposit = _announce(place, store, registered.terms, parties, None if key_file else secret)
    path = place.write_kit(deposit)
    if key_file is None:
        note(f"your key is {place.file(deposit.id, 'key')}; keep a copy of it and of the kit on a second machine")
    print_document(_describe(deposit, None) | {"refund_kit": str(path)}, as_json)


@app.command("status")
def show_status(
    which: Annotated[str | None, typer.Argument(metavar="[DEPOSIT]", help="Id or prefix; default all.")] = None,
    home: HomeOption = None, node: Node = None, cookie: Cookie = None, network: Network = "regtest",
    chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Bring the record up to the chain and show it; without a node as it was recorded."""
    place = Home.find(home)
    with place.store() as store:
        chosen = [store.get(which)] if which else store.all_deposits()
        rows: list[dict[str, Any]] = []
        if node or chain:
            with open_chain(node, cookie, network, chain) as opened:
                rows = [_followed(place, store, d, opened) for d in chosen]
        else:
            rows = [_describe(d, None) for d in chosen]
        if which:
            history = [f"{s.height} {s.event}: {s.after}" for s in store.history(rows[0]["id"])]
            print_document(rows[0] | {"history": history}, as_json)
            return
    columns = ("id", "state", "amount", "outpoint", "height")
    print_rows(columns, [[str(row[c]) for c in columns] for row in rows], as_json)


@app.command("presigned")
def attach_bundle(
    which: Id, bundle: Annotated[Path, typer.Option(help="The presigned graph.")],
    home: HomeOption = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Check every signature of an operator's graph of the deposit and record that it is presigned."""
    from btc_l2.bridge.refund_kit import make_kit
    from btc_l2.bridge.states import Event, State
    from challenger.games import GameLibrary
    from challenger.presign.bundle import Bundle

    proposal = Bundle.load(bundle, GameLibrary().scripts).proposal
    place = Home.find(home)
    with place.store() as store:
        deposit = store.get(which)
        is_first = make_kit(proposal.terms, proposal.parties, proposal.funding.deposit) == deposit.kit
        if not is_first and proposal.funding.deposit != deposit.vault:  # where a refresh has moved it
            raise VerificationFailed(f"{bundle} is of another deposit, or this one is not paid; see `bridge status`")
        place.write_graph(deposit.id, proposal.terms, proposal.parties, proposal.funding)
        if deposit.state is State.FUNDED:  # else it is the graph of one more operator, or came late
            deposit = store.apply(deposit.id, Event.PRESIGN, deposit.height, f"bundle {bundle.name}")
    print_document(_describe(deposit, None), as_json)


@app.command("refund")
def refund(
    which: Annotated[str | None, typer.Argument(metavar="[DEPOSIT]", help="Id or prefix, or give --kit.")] = None,
    kit: Annotated[Path | None, typer.Option(help="The refund kit; no home is needed then.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The depositor's key; default that in the home.")] = None,
    outpoint: Annotated[str | None, typer.Option(help="TXID:VOUT of another payment to the address.")] = None,
    amount: Annotated[int | None, typer.Option(min=1, help="Its value in sat.")] = None,
    to: To = None, fee_rate: FeeRate = None,
    broadcast: Annotated[bool, typer.Option("--broadcast", help="Send it; else it is only printed.")] = False,
    home: HomeOption = None, node: Node = None, cookie: Cookie = None, network: Network = "regtest",
    chain: ChainFolder = None, dry_run: DryRun = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the refund and let libbitcoinkernel judge it; with --broadcast send it."""
    from btc_l2.bridge.refund_kit import RefundKit, make_refund, own_script
    from taproot.address import decode_address
    from taproot.tx import OutPoint
    from taproot.units import Sats

    if (which is None) == (kit is None):
        raise InvalidInput("name a deposit of the home, or a refund kit with --kit; one of them")
    if kit is not None and key_file is None:
        raise InvalidInput("a refund kit holds no key; give the depositor's with --key-file")
    found, key_path = _kit_in_home(Home.find(home), which) if which else (RefundKit.load(kit or Path()), None)
    if (outpoint is None) != (amount is None):
        raise InvalidInput("another payment is named by --outpoint and --amount; give both")
    if outpoint is not None and amount is not None:
        found = replace(found, outpoint=OutPoint.from_str(outpoint), amount=Sats(amount))
    secret = read_key(key_file or key_path or Path())
    script_pubkey = decode_address(to, found.network) if to else own_script(found)
    if not (broadcast or dry_run):
        tx = make_refund(found, secret, script_pubkey, fee_rate or OFFLINE_FEE_RATE)
        print_document(_told(tx, False), as_json)
        return
    with open_chain(node, cookie, network, chain) as opened:
        tx = make_refund(found, secret, script_pubkey, fee_rate or opened.estimate_fee())
        _send(opened, tx, dry_run)
    print_document(_told(tx, not dry_run), as_json)


@kit_app.command("verify")
def verify_kit(file: Annotated[Path, typer.Argument(help="The refund kit.")], as_json: AsJson = False) -> None:
    """Compute everything in a refund kit anew; exit code 4 if anything in it does not follow from its keys."""
    from btc_l2.bridge.refund_kit import RefundKit

    kit = RefundKit.load(file)
    print_document(_of_kit(kit) | {"cosigners": len(kit.cosigners), "valid": True}, as_json)


@app.command("payout")
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
    print_document(_told(tx, not dry_run), as_json)


@app.command("cancel")
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
            print_document(_describe(deposit, opened), as_json)
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
    print_document(_told(tx, not dry_run), as_json)


@app.command("capital")
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


def _announce(place: Home, store: Any, terms: Any, parties: Any, new: Any) -> Deposit:
    """Key first, record second: an address whose key could be lost is never shown."""
    from btc_l2.bridge.deposits import deposit_id
    from btc_l2.bridge.refund_kit import make_kit

    if new is not None:
        new_key(place.file(deposit_id(make_kit(terms, parties)), "key"), new)
    announced: Deposit = store.announce(terms, parties, 0)
    return announced


def _followed(place: Home, store: Any, deposit: Deposit, chain: Chain) -> dict[str, Any]:
    from btc_l2.bridge.follow import follow, is_backed
    from btc_l2.bridge.states import State

    now = follow(store, chain, deposit.id)
    place.write_kit(now)
    if now.state is State.CREDITED and not is_backed(now, chain):
        note(f"ALARM: {now.id} is credited, but its vault is not on the chain")
    return _describe(now, chain)


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
    _send(chain, tx, dry_run)
    return tx


def _send(chain: Chain, tx: Transaction, dry_run: bool) -> None:
    chain.check(tx)
    if not dry_run:
        chain.broadcast(tx)


def _kit_in_home(place: Home, which: str) -> tuple[RefundKit, Path]:
    with place.store() as store:
        deposit = store.get(which)
    return deposit.kit, place.file(deposit.id, "key")


def _told(tx: Transaction, sent: bool) -> dict[str, Any]:
    return {
        "txid": tx.txid_hex, "pays": tx.outputs[0].value, "vbytes": tx.vbytes, "judge": "libbitcoinkernel",
        "broadcast": sent, "transaction": tx.serialize().hex(),
    }  # fmt: skip


def _of_kit(kit: RefundKit) -> dict[str, Any]:
    return {
        "address": kit.address, "descriptor": str(kit.descriptor), "amount": int(kit.amount), "network": kit.network,
        "refund_after_blocks": kit.delay, "outpoint": None if kit.outpoint is None else str(kit.outpoint),
    }  # fmt: skip


def _describe(deposit: Deposit, chain: Chain | None) -> dict[str, Any]:
    from btc_l2.bridge.follow import find_refund_height, find_remarks

    remarks = find_remarks(deposit, chain) if chain else []
    height = find_refund_height(deposit, chain) if chain else None
    return {
        "id": deposit.id, "state": deposit.state.value, **_of_kit(deposit.kit),
        "refund_from_height": height, "vault": None if deposit.vault is None else str(deposit.vault),
        "height": deposit.height, "detail": deposit.detail, "remarks": remarks,
    }  # fmt: skip
