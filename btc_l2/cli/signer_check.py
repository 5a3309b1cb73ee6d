"""`btc-l2 signer check`: what a machine with a node sees of the graphs of a ceremony, before anybody relies on them.

It needs no keys and no home: the proposal and everybody's keys, or the bundles, say what should be on the chain. With
`--statement` a signer whose machine this is says what it has seen, for those whose machines have no node.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_options import ChainFolder, Cookie, Network, Node
from btc_l2.cli.output import note
from btc_l2.cli.signer_options import AsJson, Home, PassphraseFd, PassphraseFile
from taproot.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from challenger.agents.calibration import Calibration
    from challenger.agents.footing import Footing
    from challenger.agents.inspection import Inspection
    from challenger.presign.ceremony.agreement import Plan
    from challenger.presign.ceremony.seat import Desk
    from taproot.presigned import Graph

_WIDTH = 76


def check(
    what: Annotated[
        str,
        typer.Argument(metavar="[CEREMONY|FOLDER]", help="Its id, a folder of its files, or a folder of bundles."),
    ] = "",
    depth: Annotated[int | None, typer.Option(min=1, help="Blocks asked for; default: as the terms say.")] = None,
    statement: Annotated[
        Path | None, typer.Option(help="Folder for a signed statement, if no doubt stands; needs your keystore.")
    ] = None,
    node: Node = None, cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Are all outputs there, as agreed, deep enough, and is the graph relayed? Exit code 6 while a doubt stands."""
    import json

    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import home_of
    from challenger.agents.inspection import inspect

    ceremony, agreed, graphs, plan = _find(what, home_of(home))
    with open_chain(node, cookie, network, chain) as opened:
        seen = inspect(opened, graphs, depth)
    print(json.dumps(_document(ceremony, agreed, graphs, seen)) if as_json
          else "\n".join(check_screen(ceremony, agreed, graphs, seen)))  # fmt: skip
    if seen.doubts:
        raise Refused(f"{_count(seen)}: nobody should sign `confirm` or rely on these graphs now; see the screen")
    if statement is not None:
        _state(statement, ceremony, agreed, plan, seen, home_of(home), passphrase_file, passphrase_fd)


def _find(what: str, home: Path) -> tuple[bytes, bytes, dict[str, Graph], Plan | None]:
    """Ceremony, digest that its members agree to, graphs by operator; the plan where it is no bundle."""
    from btc_l2.cli.signer_desk import CRAFT
    from challenger.presign.ceremony.agreement import Messages
    from challenger.presign.ceremony.reading import read_graphs
    from challenger.presign.ceremony.result import MANIFEST, verify_folder
    from challenger.presign.ceremony.store import Files, find_ceremony

    folder = Path(what) if what and Path(what).is_dir() else find_ceremony(home, what)
    if (folder / MANIFEST).exists():
        manifest, bundles = verify_folder(folder, CRAFT.build_games)
        found = {operator: bundle.graph for operator, bundle in bundles.items()}
        return bytes.fromhex(manifest["ceremony"]), bytes.fromhex(manifest["agreed"]), found, None
    plan, graphs = read_graphs(Files(folder), CRAFT)
    return plan.ceremony, Messages.of(graphs).digest(), graphs, plan


def check_screen(ceremony: bytes, agreed: bytes, graphs: dict[str, Graph], seen: Inspection) -> Iterator[str]:
    """What a person reads: outputs, amounts, refund, doubts."""
    from btc_l2.cli.signer_screens import words_line

    first = next(iter(graphs.values()))
    yield f"== check {agreed.hex()[:16]} ".ljust(_WIDTH, "=")
    yield f"ceremony {ceremony.hex()}"
    yield f"graphs: {words_line(agreed)}"
    yield f"node: height {seen.tip.height}, block {seen.tip.hash[::-1].hex()}"
    yield f"it relays nothing below {seen.relay_rate / 1000:g} sat/vB; {seen.estimate} sat/vB confirm in two blocks"
    yield f"each output has to be {seen.depth} blocks deep"
    for operator, found in seen.footings.items():
        yield f"== {operator}'s graph ".ljust(_WIDTH, "=")
        yield from (_footing_line(f, seen) for f in found)
    deposit = next(f for f in seen.footings[next(iter(graphs))] if f.name == "deposit")
    yield "=" * _WIDTH
    yield from _refund_lines(first, deposit)
    yield from _rate_lines(first, seen)
    yield from (f"DOUBT: {doubt}" for doubt in seen.doubts)
    yield _count(seen)


def _footing_line(found: Footing, seen: Inspection) -> str:
    deep = "" if found.height is None else f"{seen.tip.height - found.height + 1} blocks deep"
    return f"{found.name:<20}{found.sats:>15,} sat  {found.state:<14}{deep}{'  !' if found.doubt else ''}"


def _refund_lines(graph: Graph, deposit: Footing) -> Iterator[str]:
    from challenger.agents.footing import AWAITED, STANDS

    if deposit.state == AWAITED:
        yield "the deposit is made by the move of the refresh; check again when that is buried"
    elif deposit.state == STANDS and deposit.height is not None:
        ripe = deposit.height + graph.contract.terms.refund_delay
        yield f"{graph.contract.parties.depositor.name} can take the deposit back alone from height {ripe} on"


def _rate_lines(graph: Graph, seen: Inspection) -> Iterator[str]:
    yield "the amounts pay for                      out of                     up to sat/vB"
    for row in _rates(graph):
        low = "  below today's rate" if round(row.rate, 1) < seen.estimate else ""
        yield f"  {row.what:<39}{row.paid_by:<27}{row.rate:>7.1f}{low}"


def _rates(graph: Graph) -> Iterator[Calibration]:
    from challenger.agents.calibration import calibrate

    yield from calibrate(graph.contract.terms, graph.contract.cosigners.extra_keys)


def _count(seen: Inspection) -> str:
    count = len(seen.doubts)
    return f"{count} doubt{'s' if count > 1 else ''} stand{'' if count > 1 else 's'}" if count else "no doubt stands"


def _document(ceremony: bytes, agreed: bytes, graphs: dict[str, Graph], seen: Inspection) -> dict[str, Any]:
    from dataclasses import asdict

    rates = _rates(next(iter(graphs.values())))
    return {
        "ceremony": ceremony.hex(), "agreed": agreed.hex(), "height": seen.tip.height,
        "block": seen.tip.hash[::-1].hex(), "depth": seen.depth, "relay_sat_per_kvb": seen.relay_rate,
        "estimate_sat_per_vb": seen.estimate,
        "outputs": {op: [asdict(f) | {"outpoint": str(f.outpoint)} for f in fs] for op, fs in seen.footings.items()},
        "rates": [{"what": c.what, "paid_by": c.paid_by, "sat_per_vb": round(c.rate, 1)} for c in rates],
        "doubts": list(seen.doubts),
    }  # fmt: skip


def _state(
    folder: Path, ceremony: bytes, agreed: bytes, plan: Plan | None, seen: Inspection, home: Path,
    passphrase_file: Path | None, passphrase_fd: int | None,
) -> None:  # fmt: skip
    """Sign what was seen with the identity key, for others to import."""
    from btc_l2.cli.signer_desk import open_keys, read_passphrase
    from btc_l2.durable import make_folder, replace_file
    from challenger.presign.ceremony.statement import Statement

    if plan is None:
        raise InvalidInput("a statement is for a ceremony under way; give its id or the folder of its files")
    name, keys = open_keys(home, read_passphrase(passphrase_file, passphrase_fd))
    if plan.policy.member(name).identity != keys.identity.x_only:
        raise Refused(f"the ceremony's policy has another identity key in the name of {name}; use his keystore")
    block = seen.tip.hash[::-1].hex()
    made = Statement(ceremony.hex(), agreed.hex(), name, seen.tip.height, block, seen.depth).signed(keys.identity)
    make_folder(folder)
    replace_file(folder / made.file_name, made.to_bytes())
    note(f"written: {folder / made.file_name}; the others `import` it, their `review` shows it")


def take_statement(desk: Desk, content: bytes) -> tuple[str, str, str]:
    """Keep another signer's statement: its file, its signer, whether it is newer than what was here."""
    from challenger.presign.ceremony.statement import Statement, keep_statement
    from challenger.presign.ceremony.store import find_ceremony

    given = Statement.from_bytes(content)
    given.verify(desk.policy.member(given.signer).identity)
    is_new = keep_statement(find_ceremony(desk.home, given.ceremony), given)
    return given.file_name, given.signer, "new" if is_new else "known"


def statement_lines(folder: Path, agreed: bytes) -> Iterator[str]:
    """What other signers' machines have seen of the graphs with this digest; part of the review."""
    from challenger.presign.ceremony.statement import statements

    found = list(statements(folder))
    for s in found:
        if s.agreed == agreed.hex():
            yield f"{s.signer}'s machine saw all outputs at height {s.height} (block {s.block}), {s.depth} blocks deep"
        else:
            yield f"{s.signer}'s machine looked at OTHER graphs than these"
    if not found:
        yield "no machine with a node has looked for the outputs yet (`btc-l2 signer check`)"
