"""The rounds of `btc-l2 signer`: propose, import, review, sign, combine, export, status.

They are the same for every kind of ceremony; what a settlement wants besides is in `settle`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_options import ChainFolder, Cookie, Network, Node
from btc_l2.cli.output import note, print_document, print_rows
from btc_l2.cli.settle import Next, OwnBundles
from btc_l2.cli.signer_options import (
    Accept,
    AsJson,
    Home,
    Nonces,
    Out,
    PassphraseFd,
    PassphraseFile,
    Which,
)
from taproot.errors import InvalidInput

if TYPE_CHECKING:
    from challenger.presign.ceremony.ceremony import Ceremony
    from challenger.presign.ceremony.course import Course
    from challenger.presign.ceremony.seat import Desk

DAYS = 7


def propose(
    deposit: Annotated[str, typer.Option(help="Outpoint of the deposit, TXID:VOUT.")],
    depositor: Annotated[str, typer.Option(metavar="NAME=KEY", help="Whose deposit: name and public key (33 bytes).")],
    out: Out,
    days: Annotated[int, typer.Option(help="Time until the ceremony is given up.", min=1, max=90)] = DAYS,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
) -> None:  # fmt: skip
    """Begin a ceremony for a deposit; any signer may."""
    from btc_l2.cli.signer_desk import hand_out, home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.ceremony import begin
    from taproot.tx import OutPoint

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    with locked(desk.home):
        ceremony = begin(desk, _party(depositor), OutPoint.from_str(deposit), int(time.time()) + days * 86_400)
        hand_out([ceremony.proposed], out)
    print_document({"ceremony": ceremony.plan.ceremony.hex()}, False)


def take_in(
    files: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Files of the others; in any order.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Check and keep files of the others; who is at fault is named, with evidence (exit code 5)."""
    from btc_l2.cli.arguments import read_file
    from btc_l2.cli.signer_check import take_statement
    from btc_l2.cli.signer_desk import home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.reception import receive
    from challenger.presign.ceremony.statement import PATTERN as STATEMENTS

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    rows = []
    with locked(desk.home):
        for path in _listed(files):
            if path.match(STATEMENTS):
                rows.append(take_statement(desk, read_file(path)))
                continue
            _ceremony, given, is_new = receive(desk, read_file(path))
            rows.append((given.file_name, given.sender, "new" if is_new else "known"))
    print_rows(("file", "sender", "state"), rows, as_json)


def review(
    ceremony: Which = "",
    fee_rate: Annotated[int, typer.Option(help="Costs are shown at this rate (sat/vB).", min=1)] = 1,
    full: Annotated[bool, typer.Option("--full", help="Every turn of every game by itself.")] = False,
    bundles: OwnBundles = None, successor: Next = None,
    node: Node = None, cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    accept: Accept = None,
) -> None:  # fmt: skip
    """Show where each satoshi can go, after how long, at which cost; if you agree, you can sign."""
    from btc_l2.cli.settle import ask_node, review_settlement
    from btc_l2.cli.signer_desk import home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.ceremony import Ceremony
    from challenger.presign.ceremony.settling import Settling

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    with locked(desk.home):
        opened = _open(desk, ceremony)
        if isinstance(opened, Settling):
            seen = ask_node(opened, bundles, node, cookie, network, chain)
            review_settlement(desk, opened, bundles, successor, accept, seen)
        elif isinstance(opened, Ceremony):
            _review_graphs(opened, bundles, fee_rate, full, accept)
    note("agreed; `btc-l2 signer sign` makes your nonces")


def _review_graphs(opened: Ceremony, bundles: Path | None, fee_rate: int, full: bool, accept: str | None) -> None:
    """The screen of graphs that are presigned; a yes is kept."""
    from btc_l2.cli.settle import needed, read_own
    from btc_l2.cli.signer_check import statement_lines
    from btc_l2.cli.signer_desk import ask
    from btc_l2.cli.signer_screens import review_screen
    from challenger.presign.ceremony.agreement import Messages

    if opened.plan.origin is not None:
        opened.check_origin(read_own(needed(bundles)))
    graphs = opened.graphs()
    for line in review_screen(opened.plan, graphs, opened.desk.name, fee_rate, full):
        print(line)
    messages = Messages.of(graphs)
    for line in statement_lines(opened.files.folder, messages.digest()):
        print(line)
    ask("Have all signers the same words, and do you agree?", messages.digest(), accept)
    opened.agree(messages)


def sign(
    out: Out,
    ceremony: Which = "",
    stake: Annotated[list[str] | None, typer.Option(help="First round, operator: outpoint of a stake.")] = None,
    ticket: Annotated[str | None, typer.Option(help="First round, operator: outpoint of the ticket.")] = None,
    bond: Annotated[list[str] | None, typer.Option(metavar="OPERATOR=OUTPOINT", help="First round: a bond.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Give up this attempt of the stage, begin a new one.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="After a restore: all files are imported.")] = False,
    psbt: Annotated[Path | None, typer.Option(help="Folder of PSBTs that your key elsewhere has signed.")] = None,
    bundles: OwnBundles = None,
    home: Home = None, nonces: Nonces = None, passphrase_file: PassphraseFile = None,
    passphrase_fd: PassphraseFd = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make what you have to send next: your keys and outpoints, then nonces, then parts of signatures."""
    from btc_l2.cli.signer_desk import hand_out, home_of, open_desk, outside_of, read_passphrase
    from btc_l2.cli.signer_elsewhere import with_signed
    from btc_l2.cli.signer_screens import status_lines
    from btc_l2.durable import locked
    from challenger.presign.ceremony.ceremony import Ceremony
    from challenger.presign.ceremony.contribution import Round
    from challenger.presign.ceremony.reception import open_course
    from challenger.presign.ceremony.statement import statements

    folder = home_of(home)
    desk = open_desk(folder, read_passphrase(passphrase_file, passphrase_fd), outside_of(nonces, folder))
    with locked(desk.home):
        opened, has_outpoints = _open(desk, ceremony), bool(stake or ticket or bond)
        if psbt is not None:
            opened = open_course(with_signed(opened, bundles, psbt), opened.files)
        if isinstance(opened, Ceremony) and (has_outpoints or opened.own(Round.KEYS, 0) is None):
            made = [opened.give_keys(_outpoints(stake, ticket, bond))]
        else:
            made = opened.sign(again, resume)
        hand_out(opened.own_files(), out)
        if any(c.round is Round.CONFIRM_PARTIALS for c in made) and not any(statements(opened.files.folder)):
            note("nobody has said here that the outputs stand: run `btc-l2 signer check` on a machine with a node, "
                 "before you give confirm-partials away")  # fmt: skip
    print_document({"made": [c.file_name for c in made], **dict(status_lines(opened))}, as_json)


def combine(
    out: Annotated[Path, typer.Option(help="Folder for the bundles, or for the settlement.")],
    ceremony: Which = "",
    bundles: OwnBundles = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Join all parts to signatures, check every one; write a bundle per operator and a manifest, or a settlement."""
    from btc_l2.cli.settle import combine_settlement
    from btc_l2.cli.signer_desk import home_of, open_desk, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.ceremony import Ceremony
    from challenger.presign.ceremony.settling import Settling

    document: dict[str, Any] = {}
    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    with locked(desk.home):
        opened = _open(desk, ceremony)
        if isinstance(opened, Settling):
            document = combine_settlement(opened, bundles, out)
        elif isinstance(opened, Ceremony):
            document = _combine_graphs(opened, out)
    print_document(document, as_json)


def _combine_graphs(opened: Ceremony, out: Path) -> dict[str, Any]:
    from btc_l2.cli.signer_screens import words_line
    from challenger.presign.ceremony.result import make_bundles, write_folder

    signatures = opened.signatures()
    manifest = write_folder(out, opened.plan, make_bundles(opened.proposals(), opened.graphs(), signatures))
    note(f"written to {out}; keep copies: without the bundle nobody is paid or punished")
    document: dict[str, Any] = {name: manifest[name] for name in ("ceremony", "deposit", "domain", "agreed", "digest")}
    document["operators"] = sorted(manifest["operators"])
    return {**document, "words": words_line(bytes.fromhex(manifest["agreed"]))}


def export(
    out: Annotated[Path, typer.Option(help="Folder; with --card: file.")],
    ceremony: Which = "",
    card: Annotated[bool, typer.Option("--card", help="Your name and public keys, for the policy.")] = False,
    of: Annotated[str | None, typer.Option(help="Another signer, whose files you pass on.")] = None,
    psbt: Annotated[bool, typer.Option("--psbt", help="What your key elsewhere has to sign now, as PSBTs.")] = False,
    psbt_version: Annotated[int, typer.Option(help="Of the PSBTs: 0 (BIP 174) or 2 (BIP 370).")] = 0,
    bundles: OwnBundles = None,
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
) -> None:  # fmt: skip
    """Write all files again that you sent in a ceremony; or your card; or what a key elsewhere has to sign."""
    from btc_l2.cli.signer_desk import hand_out, home_of, open_desk, open_keys, read_passphrase
    from btc_l2.cli.signer_elsewhere import write_psbts
    from btc_l2.cli.signer_screens import words_line
    from btc_l2.durable import replace_file
    from challenger.presign.ceremony.card import card_digest, declared_plain, make_card, read_card

    folder, passphrase = home_of(home), read_passphrase(passphrase_file, passphrase_fd)
    if card:
        content = make_card(*open_keys(folder, passphrase), declared_plain(folder))
        replace_file(out, content)
        note(f"words of your card, for those who put it into a policy: {words_line(card_digest(read_card(content)))}")
        return
    opened = _open(open_desk(folder, passphrase), ceremony)
    if psbt:
        write_psbts(opened, bundles, out, psbt_version)
        return
    hand_out(opened.files.sent_by(of or opened.desk.name), out)


def show_status(
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Every ceremony here: which round is under way, whose files are missing."""
    from btc_l2.cli.signer_desk import home_of, open_desk, read_passphrase
    from btc_l2.cli.signer_screens import status_lines
    from challenger.presign.ceremony.reception import open_course
    from challenger.presign.ceremony.store import Files, ceremony_folders

    desk = open_desk(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    columns = ("ceremony", "kind", "deposit", "agreed", "round", "missing")
    rows = []
    for folder in ceremony_folders(desk.home):
        shown = dict(status_lines(open_course(desk, Files(folder))))
        rows.append([shown.get(column, "-") for column in columns])
    print_rows(columns, rows, as_json)


def _open(desk: Desk, prefix: str) -> Course:
    """The ceremony whose id begins so, of whatever kind; or the only one."""
    from challenger.presign.ceremony.reception import open_course
    from challenger.presign.ceremony.store import Files, find_ceremony

    return open_course(desk, Files(find_ceremony(desk.home, prefix)))


def _listed(paths: Sequence[Path]) -> list[Path]:
    """Files, and those of folders; proposals first, so that any order will do."""
    found = [p for path in paths for p in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not found:
        raise InvalidInput("no files there; name the files or the folder that the others gave you")
    return sorted(found, key=lambda path: not path.name.startswith(("propose.", "settle.")))


def _party(text: str) -> Any:
    from btc_l2.cli.arguments import parse_bytes
    from taproot.parties import Party

    name, _, key = text.partition("=")
    return Party(name, parse_bytes(key, "public key"))


def _outpoints(stake: list[str] | None, ticket: str | None, bond: list[str] | None) -> Any:
    from challenger.presign.ceremony.agreement import Outpoints
    from taproot.tx import OutPoint

    bonds = {}
    for text in bond or []:
        operator, _, outpoint = text.partition("=")
        bonds[operator] = OutPoint.from_str(outpoint)
    stakes = tuple(OutPoint.from_str(text) for text in stake or [])
    return Outpoints(stakes, None if ticket is None else OutPoint.from_str(ticket), bonds)
