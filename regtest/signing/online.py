"""A signer of a test network from his first card to the hand-over, by a coordinator over HTTP; its depositor, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from btc_l2.chain.protocol import Chain
from btc_l2.durable import make_folder, write_once
from challenger.agents.wallet import Wallet
from challenger.keystore import read_private
from challenger.presign.ceremony.ceremony import Ceremony
from challenger.presign.ceremony.contribution import Contribution
from challenger.presign.ceremony.course import Course
from challenger.presign.ceremony.result import read_manifest
from challenger.presign.coordinator.attendance import announce, attend, find_proposals, identities
from challenger.presign.coordinator.client import Log, Mail
from challenger.watchtower.place import list_folder
from regtest.signing.attendant import DEPOSITS, Attendant, Deposit, check_network, open_purse, pay_deposit
from regtest.signing.board import Board
from regtest.signing.enrolment import Group, Tell, compare_digests, read_policy, silent, spoken
from regtest.signing.handover import DEPOSIT_FOLDER, hand_over
from taproot.errors import InvalidInput, Unavailable
from taproot.keys import SecretKey, XOnlyKey
from taproot.parties import Party

COORDINATOR, KEY = "coordinator", "key"  # kind and name of a post
KEY_FILE = "depositor.key"

T = TypeVar("T")


@dataclass(slots=True)
class TellingMail(Mail):
    """Tells of each file that has left."""

    tell: Tell = silent

    def post(self, log: Log, content: bytes) -> Log:
        """See `Mail.post`."""
        after = Mail.post(self, log, content)
        self.tell("sent", file=Contribution.from_bytes(content).file_name)
        return after


def take_part(me: Attendant, url: str, guest: str, hand: Path) -> None:
    """Pay in, sign, hand the bundles over, once; the first operator proposes, and publishes `confirm` at the end."""
    folder, build_games = hand / "deposits" / DEPOSIT_FOLDER, me.desk.craft.build_games
    if not folder.exists():
        _sign(me, url, guest, hand)
    if _leads(me):
        me.confirm(next(place for place in list_folder(folder) if place.operator == me.desk.name).load(build_games))
    me.tell("done", words=spoken(bytes.fromhex(read_manifest(folder)["digest"])))


def _sign(me: Attendant, url: str, guest: str, hand: Path) -> None:
    desk, board = me.desk, me.board
    deposit = Deposit.from_bytes(board.wait(DEPOSITS, [DEPOSIT_FOLDER])[DEPOSIT_FOLDER])
    outpoints = me.pay(deposit)
    mail = _open_mail(me, url)
    if _leads(me):
        proposed = me.propose(deposit)
        _patiently(me, lambda: announce(desk, mail, proposed))
    ceremony = _patiently(me, lambda: _find_proposal(me, mail, deposit))

    def review(course: Course) -> bool:
        return isinstance(course, Ceremony) and me.review(course, deposit)

    _patiently(me, lambda: attend(desk, mail, ceremony, outpoints, review))
    mail.close()
    bundles, plan, coin = me.combine(ceremony), me.seat(ceremony).plan, me.chain.utxo(deposit.outpoint)
    hand_over(hand, desk.home, plan, bundles, guest, coin.height if coin else 0, board)


def _leads(me: Attendant) -> bool:
    return me.desk.name == min(me.desk.policy.operators)


def deposit_once(chain: Chain, home: Path, name: str, group: Group, board: Board, tell: Tell) -> Deposit:
    """The depositor: looks at all cards, pays to the policy that all signers have posted, posts where the coins are.

    Raises Refused off regtest, and if the signers do not agree.
    """
    check_network(chain)
    policy = read_policy(group, board, tell)
    compare_digests(policy, group, board)
    make_folder(home)
    if not (home / KEY_FILE).exists():
        write_once(home / KEY_FILE, SecretKey.generate().to_bytes().hex().encode())
    key = SecretKey(bytes.fromhex(read_private(home / KEY_FILE).decode()))
    posted = board.read(DEPOSITS, DEPOSIT_FOLDER)
    if posted is not None:  # it may have moved to the vault since
        return Deposit.from_bytes(posted)
    wallet = Wallet(chain, key)
    open_purse(chain, wallet, policy.terms.deposit, board.pause)
    deposit = pay_deposit(chain, wallet, policy, Party(name, key.public_key), board.pause)
    board.post(DEPOSITS, DEPOSIT_FOLDER, deposit.to_bytes())
    tell("deposited", outpoint=str(deposit.outpoint))
    return deposit


def _open_mail(me: Attendant, url: str) -> TellingMail:
    posted = me.board.wait(COORDINATOR, [KEY])[KEY]
    try:
        key = XOnlyKey(bytes.fromhex(posted.decode()))
    except ValueError as error:
        raise InvalidInput(f"what was posted is no key of a coordinator: {error}") from error
    return TellingMail(url, key, me.desk.keys.identity, set(identities(me.desk.policy)), tell=me.tell)


def _find_proposal(me: Attendant, mail: Mail, deposit: Deposit) -> bytes:
    """The first one for the deposit: the same for all."""
    for ceremony in find_proposals(me.desk, mail):
        if me.seat(ceremony).plan.deposit == deposit.outpoint:
            return ceremony
    raise Unavailable("nobody has proposed yet; wait")


def _patiently(me: Attendant, act: Callable[[], T]) -> T:
    """As often as it takes: coordinator or node may be away, the proposal may not be there yet."""
    said = ""
    while True:
        try:
            return act()
        except Unavailable as error:
            if str(error) != said:
                me.tell("waits", why=str(error))
            said = str(error)
            me.board.pause()
