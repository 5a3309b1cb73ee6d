"""`btc-l2 standing`: stakes, tickets and bonds, which stand before any deposit, are funded, looked at, taken home.

One group for operators and challengers: what they lock has one name in the rules (standing outputs) and leaves in the
same two steps. docs/operator.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli import standing_leave
from btc_l2.cli.bridge_options import ChainFolder, Cookie, Network, Node
from btc_l2.cli.output import print_document
from btc_l2.cli.signer_options import AsJson, Home
from btc_l2.cli.standing_bundles import Bundles, read_skeletons

if TYPE_CHECKING:
    from btc_l2.bridge.capital import CapitalReport, Position, Works
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.funding import Due
    from taproot.presigned import Graph
    from taproot.terms import Terms
    from taproot.tx import OutPoint

app = typer.Typer(help="Stakes, tickets and bonds: fund them, see what they do, take them home.", no_args_is_help=True)
app.command("leave")(standing_leave.leave)
app.command("exit")(standing_leave.take_home)

_WIDTH = 76


@app.command("fund")
def fund(
    party: Annotated[str | None, typer.Option(help="Whose; default everybody's.")] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy; default the registered one.")] = None,
    home: Home = None, node: Node = None, cookie: Cookie = None, network: Network = "regtest",
    chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """What has to be paid to where; with a node also what stands already, and the first `signer sign` of each."""
    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import home_of, read_policy
    from challenger.presign.funding import assign, dues

    folder = home_of(home)
    registered = read_policy(folder) if policy is None else _read_policy(policy)
    wanted, chosen = dues(registered, party), None
    if node or chain:
        with open_chain(node, cookie, network, chain) as opened:
            scripts = {due.output.script_pubkey for due in wanted}
            chosen = assign(wanted, {s: opened.find_coins(s) for s in scripts}, _earlier(folder))
    if as_json:
        print(json.dumps(_fund_document(registered, wanted, chosen)))
    else:
        print("\n".join(fund_screen(registered, wanted, chosen)))


@app.command("status")
def show_status(
    bundles: Bundles,
    party: Annotated[str | None, typer.Option(help="Whose outputs; default everybody's.")] = None,
    node: Node = None, cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """What stands, is leaving, or has gone; open claims; what of each deposit's graph still works."""
    from dataclasses import asdict

    from btc_l2.bridge.capital import survey
    from btc_l2.cli.bridge_home import open_chain

    graphs = read_skeletons(bundles)
    with open_chain(node, cookie, network, chain) as opened:
        height, report = opened.tip().height, survey(opened, graphs)
    if not as_json:
        print("\n".join(status_screen(height, report, party, graphs)))
        return
    positions = [asdict(p) | {"outpoint": str(p.outpoint)} for p in report.positions if party in (None, p.party)]
    works = [asdict(w) | {"needs_refresh": w.needs_refresh} for w in report.works]
    locked = {p: report.locked(p) for p in report.parties if party in (None, p)}
    print_document({"height": height, "locked": locked, "positions": positions, "deposits": works}, True)


def fund_screen(policy: Registered, wanted: list[Due], chosen: Mapping[Due, OutPoint] | None) -> Iterator[str]:
    """A paragraph per person."""
    from challenger.presign.funding import sign_arguments
    from taproot.address import encode_address

    terms = policy.terms
    yield f"== policy {policy.digest().hex()[:16]} ".ljust(_WIDTH, "=")
    yield f"network {terms.network}; a ticket serves one deposit, stakes and bonds serve all of them"
    for party in dict.fromkeys(due.party for due in wanted):
        own = [due for due in wanted if due.party == party]
        yield f"== {party} pays {sum(d.output.value for d in own):,} sat ".ljust(_WIDTH, "=")
        for due in own:
            where = "" if due.operator == party else f" against {due.operator}"
            yield f"{due.name + where:<44}{due.output.value:>20,} sat"
            yield f"    {encode_address(due.output.script_pubkey, terms.network)}"
            yield f"    script {due.output.script_pubkey.hex()}"
            if chosen is not None:
                yield f"    {'stands at ' + str(chosen[due]) if due in chosen else 'NOT PAID, or not confirmed'}"
        yield f"first round: btc-l2 signer sign --out stick/ {' '.join(sign_arguments(policy, party, chosen or {}))}"


def status_screen(
    height: int, report: CapitalReport, party: str | None, graphs: Mapping[str, Graph]
) -> Iterator[str]:
    """What is locked, then a paragraph per deposit and operator."""
    yield f"== standing outputs at height {height} ".ljust(_WIDTH, "=")
    for p in report.positions:
        if party in (None, p.party):
            yield _position_line(p, height)
    for name in report.parties:
        if party in (None, name):
            yield f"{name} has locked {report.locked(name):,} sat"
    for works in report.works:
        yield from _works_lines(works, graphs[works.deposit].contract.terms)


def _position_line(p: Position, height: int) -> str:
    from btc_l2.bridge.capital import LEAVING

    free = ""
    if p.state == LEAVING and p.free_at is not None:
        left = p.free_at - (height + 1)
        free = f", free from height {p.free_at} on" + (f" (in {left} blocks)" if left > 0 else " (now)")
    return f"{p.party:<12}{p.name:<18}{p.sats:>15,} sat  {p.state}{free}; for {', '.join(p.deposits)}"


def _works_lines(works: Works, terms: Terms) -> Iterator[str]:
    yield f"== {works.deposit} ".ljust(_WIDTH, "=")
    if works.claimed_at is not None:
        at, paid = works.claimed_at, works.claimed_at + terms.total_delay
        yield f"OPEN CLAIM since height {at}: without a challenge paid from {at + terms.challenge_delay} on, else from"
        yield f"{paid} on; stakes and bonds answer for it until {paid + terms.slash_delay} at the latest"
    yield f"vault {'holds the deposit' if works.vault else 'is empty'}; ticket {works.claim}; takes {_takes(works)}"
    for variant, reward in works.kills.items():
        yield f"  a kill by {variant:<26}{reward:>15,} sat to the challenger who wins"
    for challenger, pays in works.slashes.items():
        yield f"  a slash of {challenger:<25}{'pays' if pays else 'pays nothing, his bond is gone'}"
    yield from (f"FAULT: {fault}" for fault in works.faults)
    if works.needs_refresh:
        yield "a refresh ceremony repairs it: the vault moves under a new graph"


def _takes(works: Works) -> str:
    """The operator's payout: it needs the vault and a ticket."""
    if works.takes:
        return "work"
    return "wait for the vault" if works.kills else "do not work"


def _fund_document(
    policy: Registered, wanted: list[Due], chosen: Mapping[Due, OutPoint] | None
) -> list[dict[str, Any]]:
    from taproot.address import encode_address

    return [
        {
            "party": d.party, "operator": d.operator, "name": d.name, "sats": d.output.value,
            "address": encode_address(d.output.script_pubkey, policy.terms.network),
            "script": d.output.script_pubkey.hex(),
            "outpoint": str(chosen[d]) if chosen is not None and d in chosen else None,
        }
        for d in wanted
    ]  # fmt: skip


def _read_policy(path: Path) -> Registered:
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.ceremony.store import read_document

    return Registered.from_json(read_document(path, "policy"))


def _earlier(home: Path) -> Iterator[Any]:
    """Everybody's keys of all ceremonies here."""
    from challenger.presign.ceremony.contribution import Round
    from challenger.presign.ceremony.store import Files, ceremony_folders

    for folder in ceremony_folders(home):
        yield from Files(folder).of(Round.KEYS).values()
