"""`btc-l2 bridge`: a depositor's commands, and what operators and signers do about a deposit together.

A deposit is named by its id or a unique prefix. Nothing is broadcast without being checked, and with `--dry-run` the
node only says whether it would take it. docs/bridge.md shows a whole course.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli import bridge_credit, bridge_settled, bridge_together
from btc_l2.cli.arguments import read_file
from btc_l2.cli.bridge_answers import describe, of_kit, send, told
from btc_l2.cli.bridge_home import Home, new_key, open_chain, read_key
from btc_l2.cli.bridge_options import AsJson, ChainFolder, Cookie, DryRun, FeeRate, HomeOption, Id, Network, Node, To
from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput, VerificationFailed

if TYPE_CHECKING:
    from btc_l2.bridge.deposits import Deposit
    from btc_l2.bridge.refund_kit import RefundKit
    from btc_l2.chain.protocol import Chain

app = typer.Typer(help="Deposit coins, watch them, take them back; pay out and cancel together.", no_args_is_help=True)
kit_app = typer.Typer(help="Refund kits, without a node and without us.", no_args_is_help=True)
app.add_typer(kit_app, name="kit")
app.command("credit")(bridge_credit.credit)
app.command("payout")(bridge_together.pay_out)
app.command("cancel")(bridge_together.cancel)
app.command("refresh")(bridge_settled.refresh)
app.command("capital")(bridge_together.show_capital)

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
    from taproot.parties import Party

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
    print_document(describe(deposit, None) | {"refund_kit": str(path)}, as_json)


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
            rows = [describe(d, None) for d in chosen]
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
    print_document(describe(deposit, None), as_json)


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
        print_document(told(tx, False), as_json)
        return
    with open_chain(node, cookie, network, chain) as opened:
        tx = make_refund(found, secret, script_pubkey, fee_rate or opened.estimate_fee())
        send(opened, tx, dry_run)
    print_document(told(tx, not dry_run), as_json)


@kit_app.command("verify")
def verify_kit(file: Annotated[Path, typer.Argument(help="The refund kit.")], as_json: AsJson = False) -> None:
    """Compute everything in a refund kit anew; exit code 4 if anything in it does not follow from its keys."""
    from btc_l2.bridge.refund_kit import RefundKit

    kit = RefundKit.load(file)
    print_document(of_kit(kit) | {"cosigners": len(kit.cosigners), "valid": True}, as_json)


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
    return describe(now, chain)


def _kit_in_home(place: Home, which: str) -> tuple[RefundKit, Path]:
    with place.store() as store:
        deposit = store.get(which)
    return deposit.kit, place.file(deposit.id, "key")
