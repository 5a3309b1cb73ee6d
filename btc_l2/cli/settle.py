"""`btc-l2 signer settle` and `refresh`: propose what all sign live; review and combine it (docs/signer.md).

    settle payout | cancel | move → review → sign (nonces) → sign (parts) → combine → btc-l2 bridge … --settlement
    refresh → the rounds of presigning → settle move

All other commands of the rounds are those of `signer_rounds`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_options import ChainFolder, Cookie, FeeRate, Network, Node, To
from btc_l2.cli.output import note, print_document
from btc_l2.cli.signer_options import Home, Out, PassphraseFd, PassphraseFile
from taproot.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from challenger.presign.ceremony.accord import Own, Settles
    from challenger.presign.ceremony.seat import Desk
    from challenger.presign.ceremony.settling import Settling
    from challenger.presign.ceremony.sighting import Sighting
    from taproot.presigned import Graph

DAYS = 7
Bundles = Annotated[Path, typer.Option("--bundles", help="Your bundles of the deposit.")]
OwnBundles = Annotated[
    Path | None, typer.Option("--bundles", help="Of a settlement or refresh: your bundles of the deposit.")
]
Next = Annotated[Path | None, typer.Option("--next", help="Of a move: your bundles of the graphs that come after it.")]
NextPolicy = Annotated[
    Path | None, typer.Option(help="Of a move to graphs of another policy: that policy, as all have registered it.")
]
Operator = Annotated[
    str | None, typer.Option(help="Whose claim goes along (payout: who is paid); default: who has a claim.")
]
Days = Annotated[int, typer.Option(help="Time until the ceremony is given up.", min=1, max=90)]


def settle(
    kind: Annotated[str, typer.Argument(metavar="payout|cancel|move", help="What is done with the coins.")],
    bundles: Bundles,
    out: Out,
    successor: Next = None,
    next_policy: NextPolicy = None,
    operator: Operator = None,
    to: To = None,
    fee_rate: FeeRate = None,
    days: Days = DAYS,
    node: Node = None, cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
) -> None:  # fmt: skip
    """Propose to spend the vault, or the deposit, together, with what is left of an open claim; any signer may."""
    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import hand_out, home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.settling import begin_settlement

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    wanted_kind, own = _kind_of(kind), read_own(bundles)
    if kind == "payout" and operator is None and len(own[1]) > 1:
        raise InvalidInput(f"operators {', '.join(sorted(own[1]))} have a graph; name whom to pay with --operator")
    with open_chain(node, cookie, network, chain) as opened:
        name, seen = _look(opened, own, operator)
        rate = 0 if kind == "move" else fee_rate or opened.estimate_fee()
    wanted = _wanted(wanted_kind, own, name, seen, to, rate, successor, next_policy)
    with locked(desk.home):
        seat = begin_settlement(desk, wanted, own, int(time.time()) + days * 86_400)
        hand_out([seat.proposed], out)
    print_document({"ceremony": seat.proposed.ceremony.hex(), "spends": list(seen.sources)}, False)


def refresh(
    bundles: Bundles,
    out: Out,
    operator: Operator = None,
    days: Days = DAYS,
    node: Node = None, cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
) -> None:  # fmt: skip
    """Propose new graphs for the coins of a vault: the deposit is what a later `settle move` leaves."""
    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import hand_out, home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.ceremony import begin
    from challenger.presign.ceremony.succession import make_origin

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    own = read_own(bundles)
    with open_chain(node, cookie, network, chain) as opened:
        name, seen = _look(opened, own, operator)
    origin, move = make_origin(desk.policy, own, name, seen)
    with locked(desk.home):
        deadline = int(time.time()) + days * 86_400
        seat = begin(desk, move.depositor, move.deposit, deadline, origin=origin)
        hand_out([seat.proposed], out)
    print_document({"ceremony": seat.proposed.ceremony.hex(), "deposit": str(move.deposit)}, False)


def review_settlement(
    desk: Desk, seat: Settling, bundles: Path | None, successor: Path | None, accept: str | None,
    seen_here: Sighting | None,
) -> None:  # fmt: skip
    """The screen of a settlement; a yes is kept."""
    from btc_l2.cli.settle_screens import Scene, settlement_screen
    from btc_l2.cli.signer_desk import ask
    from challenger.presign.ceremony.accord import messages_of, requested

    own = read_own(needed(bundles))
    settlement = seat.settlement(own, None if successor is None else read_own(successor))
    graphs = {name: bundle.graph for name, bundle in own[1].items()}
    scene = Scene(seat.accord, settlement, graphs, desk.name, seen_here, other_settlements(desk, seat))
    print("\n".join(settlement_screen(scene)))
    messages = messages_of(requested(settlement))
    ask("Have all signers the same words, and do you agree?", messages.digest(), accept)
    seat.agree(messages)


def ask_node(
    seat: Settling, bundles: Path | None, node: str | None, cookie: Path | None, network: str, chain: Path | None
) -> Sighting | None:
    """What one's own node sees, if there is one. Raises Refused where it sees something else than the proposer."""
    from btc_l2.cli.bridge_home import open_chain
    from challenger.presign.ceremony.sighting import look

    if node is None and chain is None:
        return None
    wanted = seat.accord.wanted
    with open_chain(node, cookie, network, chain) as opened:
        seen = look(opened, find_graph(seat, bundles))
    if differences := wanted.seen.differences(seen):
        raise Refused(f"your node sees otherwise than {seat.accord.proposer}; {'; '.join(differences)}; propose anew")
    return seen


def combine_settlement(seat: Settling, bundles: Path | None, out: Path) -> dict[str, Any]:
    """Join, judge, write; what is shown of it."""
    from challenger.presign.ceremony.settled import Settled

    wanted = seat.accord.wanted
    settled = Settled.of(seat, find_graph(seat, bundles))
    path = settled.save(out)
    note(f"written: {path}; `btc-l2 bridge {'refresh' if wanted.kind.value == 'move' else wanted.kind.value} "
         f"--settlement {path}` sends it")  # fmt: skip
    return {
        "kind": wanted.kind.value, "deposit": str(wanted.deposit), "txid": settled.tx.txid_hex,
        "spends": list(wanted.seen.sources), "pays": settled.tx.outputs[0].value, "vbytes": settled.tx.vbytes,
        "judge": "libbitcoinkernel", "settlement": str(path),
    }  # fmt: skip


def other_settlements(desk: Desk, seat: Settling) -> list[str]:
    """Other settlements of the same deposit that this member has agreed to."""
    from challenger.presign.ceremony.reception import open_course
    from challenger.presign.ceremony.settling import Settling
    from challenger.presign.ceremony.store import Files, ceremony_folders

    known = [open_course(desk, Files(folder)) for folder in ceremony_folders(desk.home)]
    return [
        f"{other.kind} {other.proposed.ceremony.hex()[:8]}" for other in known
        if isinstance(other, Settling) and other.has_agreed() and other.deposit == seat.deposit
        and other.proposed.ceremony != seat.proposed.ceremony
    ]  # fmt: skip


def read_own(folder: Path) -> Own:
    """Manifest and bundles, every signature checked."""
    from btc_l2.cli.signer_desk import CRAFT
    from challenger.presign.ceremony.result import verify_folder

    return verify_folder(folder, CRAFT.build_games)


def find_graph(seat: Settling, bundles: Path | None) -> Graph:
    """The graph whose claim is settled, without its games: quick, and enough to know outputs and settlement."""
    from btc_l2.bridge.skeleton import build_skeleton
    from challenger.presign.bundle import read_proposal
    from challenger.presign.ceremony.result import SUFFIX

    proposal = read_proposal(needed(bundles) / f"{seat.accord.wanted.operator}{SUFFIX}")
    return build_skeleton(proposal.terms, proposal.parties, proposal.funding)


def needed(bundles: Path | None) -> Path:
    """The folder that was named. Raises InvalidInput if none was."""
    if bundles is None:
        raise InvalidInput("this ceremony is about a deposit that is presigned; name your bundles of it with --bundles")
    return bundles


def _look(chain: Any, own: Own, operator: str | None) -> tuple[str, Sighting]:
    from challenger.presign.ceremony.sighting import find_claimant, look

    graphs = {name: bundle.graph for name, bundle in own[1].items()}
    name = find_claimant(chain, graphs, operator)
    return name, look(chain, graphs[name])


def _wanted(
    kind: Settles, own: Own, operator: str, seen: Sighting, to: str | None, rate: int, successor: Path | None,
    next_policy: Path | None,
) -> Any:  # fmt: skip
    from challenger.presign.ceremony.accord import Settles, Wanted
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.ceremony.result import read_manifest
    from challenger.presign.ceremony.store import read_document
    from taproot.address import decode_address
    from taproot.tx import OutPoint

    if (successor is not None) != (kind is Settles.MOVE):
        raise InvalidInput("--next names the bundles of the graphs after a move; a move needs it, nothing else does")
    payee = decode_address(to, own[1][operator].proposal.terms.network) if to else b""
    after = bytes.fromhex(read_manifest(successor)["agreed"]) if successor else b""
    at, agreed = OutPoint.from_str(own[0]["deposit"]), bytes.fromhex(own[0]["agreed"])
    following = Registered.from_json(read_document(next_policy, "policy")) if next_policy else None
    return Wanted(kind, at, agreed, operator, seen, payee, rate, after, following)


def _kind_of(text: str) -> Settles:
    from challenger.presign.ceremony.accord import Settles

    try:
        return Settles(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no settlement; choose payout, cancel or move") from None
