"""`btc-l2 watchtower run|announce|status|check|settings|fees`: a party's eyes and hands for all its deposits.

Settings: flags > BTCL2_WATCHTOWER_* > TOML file (--config, or watchtower.toml here) > defaults; docs/watchtower.md.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.output import note, print_document, print_rows
from taproot.errors import InvalidInput, Refused, Unavailable

if TYPE_CHECKING:
    from btc_l2.chain.rpc import RpcChain
    from challenger.watchtower.case import ProgramOf
    from challenger.watchtower.settings import Resolved
    from challenger.watchtower.tower import Tower

app = typer.Typer(help="Watch deposits on a node and act for a party, block by block.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML; default watchtower.toml if here.")]
Party = Annotated[str | None, typer.Option(help="Name of the party in the bundles.")]
KeyFile = Annotated[str | None, typer.Option(help="Keystore or plain key file, mode 0600.")]
Deposits = Annotated[str | None, typer.Option(help="Folder with a folder per deposit.")]
State = Annotated[str | None, typer.Option(help="Folder of journals and store.")]
NodePort = Annotated[int | None, typer.Option(help="RPC port of the node.")]
NodeCookie = Annotated[str | None, typer.Option(help="The node's .cookie file.")]
HttpPort = Annotated[int | None, typer.Option(help="Port of the pages on the loopback interface; 0: none.")]
Poll = Annotated[int | None, typer.Option(help="Seconds between two looks at the latest.")]
DryRun = Annotated[bool | None, typer.Option("--dry-run", help="Decide and journal, send nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_DEFAULT_CONFIG = Path("watchtower.toml")


@app.command("run")
def run_tower(
    config: Config = None, party: Party = None, key_file: KeyFile = None, deposits: Deposits = None,
    state: State = None, node_port: NodePort = None, node_cookie: NodeCookie = None, http_port: HttpPort = None,
    poll: Poll = None, dry_run: DryRun = None,
    rounds: Annotated[int | None, typer.Option(help="End after so many looks; default: never.")] = None,
) -> None:  # fmt: skip
    """Follow the node and act, until SIGTERM; the log goes to stderr, pages to the loopback interface."""
    flags = {"party": party, "key_file": key_file, "deposits": deposits, "state": state, "node_port": node_port,
             "node_cookie": node_cookie, "http_port": http_port, "poll": poll, "dry_run": dry_run}  # fmt: skip
    found = resolve_settings(config, flags)
    serve(found, connect_node(found), rounds)


def serve(found: Resolved, chain: RpcChain, rounds: int | None = None, program_of: ProgramOf | None = None) -> None:
    """The daemon's life on a node; `program_of` reads a deposit's program otherwise than the product does (tests)."""
    from challenger.watchtower.daemon import run, run_locked
    from challenger.watchtower.notice import Notices
    from challenger.watchtower.structured import start_log

    s, orders = found.settings, found.orders()
    start_log(s.log)
    source = chain.block_source() if s.zmq == "auto" else None if s.zmq == "off" else s.zmq
    http = (s.http_host, s.http_port) if s.http_port else None

    def started(port: int) -> None:
        if port:
            note(f"pages: http://{s.http_host}:{port}/metrics, /healthz, /status")

    def make_tower() -> Tower:
        return _tower(found, chain, program_of)

    run_locked(orders, lambda: run(make_tower, Notices(source), s.poll, http, started, rounds))


@app.command("check")
def check_tower(config: Config = None, as_json: AsJson = False) -> None:
    """Try everything once, send nothing: settings, keys, bundles, what they stand on, node, relay rates, fee wallet."""
    from dataclasses import replace

    from btc_l2.cli.standing_bundles import read_skeletons
    from btc_l2.durable import make_folder
    from challenger.agents.footing import find_doubts
    from taproot.address import encode_address

    found = resolve_settings(config, {})
    orders = replace(found.orders(), dry_run=True)
    make_folder(orders.state)
    chain = connect_node(found)
    tower = _tower(found, chain)
    try:
        tower.add_deposits()
        deposits = {d.name: d.role for d in tower.store.deposits()}
        graphs = read_skeletons([orders.deposits]) if deposits else {}
        doubts = [f"{label}: {doubt}" for label, graph in graphs.items() for doubt in find_doubts(chain, graph)]
        print_document({
            "network": chain.network, "node_height": chain.tip().height, "relay_sat_per_kvb": chain.relay_rate(),
            "estimate_sat_per_vb": chain.estimate_fee(), "blocks_by_zmq": chain.block_source(), "party": orders.party,
            "wallet_address": encode_address(tower.wallet.script_pubkey, chain.network),
            "wallet_sats": tower.wallet.balance(), "wallet_coins": len(tower.wallet.coins()), "deposits": deposits,
            "doubts": doubts,
        }, as_json)  # fmt: skip
    finally:
        tower.close()


@app.command("announce")
def announce_claim(
    deposit: Annotated[str, typer.Argument(metavar="NAME", help="Folder of the deposit; DEPOSIT.OPERATOR of several.")],
    claim: Annotated[str, typer.Option(metavar="FILE|HEX", help="The claim, up to 128 bytes.")],
    config: Config = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """The operator runs his program on a claim and signs what he will assert; he publishes the file that is written."""
    from btc_l2.cli.arguments import parse_bytes
    from btc_l2.durable import replace_file
    from challenger.game.solver import find_lie
    from challenger.games import IMAGE_ROOT
    from challenger.presign.bundle import read_proposal
    from challenger.watchtower.announcement import CLAIM_BYTES, announce
    from challenger.watchtower.keys import secrets_of
    from challenger.watchtower.place import find_place
    from challenger.watchtower.program import load_program

    found = resolve_settings(config, {})
    orders, s = found.orders(), found.settings
    place = find_place(orders.deposits, deposit)
    proposal = read_proposal(place.path)
    if proposal.parties.operator.name != s.party:
        raise InvalidInput(f"{s.party} is not the operator of {deposit}; {proposal.parties.operator.name} announces")
    secrets = secrets_of(found)
    program = load_program(place.folder, proposal.constants[IMAGE_ROOT])
    prover = program.truth(parse_bytes(claim, "claim").ljust(CLAIM_BYTES, b"\0"), proposal.terms.steps)
    announced = announce(prover, proposal, secrets.key)
    if find_lie(announced.assertion, prover) is not None:
        raise Refused("the program does not accept this claim; it would be disproved; nothing was signed for others")
    replace_file(place.claim, announced.to_json().encode())
    print_document({"written": str(place.claim), "zN": announced.assertion.zn.hex()}, as_json)


@app.command("status")
def show_status(config: Config = None, as_json: AsJson = False) -> None:
    """What the running daemon says; exit code 1 while an alarm stands, 3 if no daemon answers."""
    import http.client
    import json

    s = resolve_settings(config, {}).settings
    connection = http.client.HTTPConnection(s.http_host, s.http_port, timeout=10)
    try:
        connection.request("GET", "/status")
        document = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"no watchtower answers at {s.http_host}:{s.http_port}; {error}; start it with "
                          "`btc-l2 watchtower run`") from error  # fmt: skip
    finally:
        connection.close()
    print_document(document, as_json)
    if document.get("alarms") or document.get("error"):
        raise typer.Exit(1)


@app.command("settings")
def show_settings(config: Config = None, as_json: AsJson = False) -> None:
    """Every setting, its value, where it comes from."""
    found = resolve_settings(config, {})
    rows = [(name, str(value), found.origins[name]) for name, value in asdict(found.settings).items()]
    print_rows(("setting", "value", "origin"), rows, as_json)


@app.command("fees")
def show_fees(
    bundle: Annotated[Path | None, typer.Option(help="Terms of this bundle; default: the default terms.")] = None,
    as_json: AsJson = False,
) -> None:
    """Up to which fee rate stakes, bonds and kill token pay for what they are for (docs/fees.md)."""
    from challenger.agents.calibration import calibrate
    from taproot.terms import Terms

    terms = Terms()
    if bundle is not None:
        from challenger.presign.bundle import read_proposal

        terms = read_proposal(bundle).terms
    rows = [(c.what, c.paid_by, f"{c.sats:,}", f"{c.vbytes:,}", f"{c.rate:.1f}") for c in calibrate(terms)]
    print_rows(("what", "paid by", "sat", "vB", "sat/vB"), rows, as_json)


def resolve_settings(config: Path | None, flags: dict[str, Any]) -> Resolved:
    """Flags, environment, the file that is named or lies here, defaults."""
    from challenger.watchtower.settings import resolve

    file = config or (_DEFAULT_CONFIG if _DEFAULT_CONFIG.exists() else None)
    return resolve(file, flags)


def connect_node(found: Resolved) -> RpcChain:
    """The node of the settings."""
    from btc_l2.chain.rpc import connect

    s = found.settings
    if s.network not in ("regtest", "signet", "testnet4"):
        raise InvalidInput(f"network {s.network!r}; choose regtest, signet or testnet4")
    return connect(
        s.network, host=s.node_host, port=s.node_port or None,
        cookie=found.path(s.node_cookie) if s.node_cookie else None,
        datadir=found.path(s.node_datadir) if s.node_datadir else None, scan_from=s.start,
    )  # fmt: skip


def _tower(found: Resolved, chain: RpcChain, program_of: ProgramOf | None = None) -> Tower:
    from challenger.watchtower.keys import secrets_of
    from challenger.watchtower.program import load_program
    from challenger.watchtower.tower import Tower

    return Tower(chain, found.orders(), secrets_of(found), program_of=program_of or load_program)
