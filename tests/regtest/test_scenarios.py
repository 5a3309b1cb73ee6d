"""Every scenario is one story that holds what it promises; its books balance; its report is one page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from btc_l2.chain.embedded import EmbeddedChain
from challenger.presign.settlement import plan_exit_of_all, sign_settlement
from regtest.books import Account, Books
from regtest.cooperation import plan, signers_of
from regtest.html import render_report
from regtest.network import Network, open_network, small_plot
from regtest.outcome import Outcome, expect
from regtest.pictures import draw_timeline
from regtest.report import describe, transactions_of
from regtest.scenarios import NAMES, find_scenario, story_of
from regtest.story import Stage
from regtest.workshop import Workshop
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.tx import Transaction

FOLDER = Path(__file__).resolve().parents[2] / "regtest" / "scenarios"


@pytest.fixture(scope="module")
def network(workshop: Workshop) -> Iterator[Network]:
    """For what one chain is enough."""
    with EmbeddedChain() as chain:
        yield Network(chain, "libbitcoinkernel", workshop=workshop)


@pytest.fixture(scope="module")
def stage(network: Network) -> Stage:
    """A vault that is confirmed."""
    made = network.stage(small_plot())
    made.confirm_vault()
    return made


@pytest.fixture(scope="module")
def played(workshop: Workshop) -> Outcome:
    """A dispute to the end."""
    with EmbeddedChain() as chain:
        return find_scenario("challenge_won")(Network(chain, "libbitcoinkernel", workshop=workshop))


def play(name: str, workshop: Workshop) -> Outcome:
    with EmbeddedChain() as chain:
        return find_scenario(name)(Network(chain, "libbitcoinkernel", workshop=workshop))


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_holds_what_it_promises(workshop: Workshop, name: str) -> None:
    outcome = play(name, workshop)
    assert outcome.books.total_before == outcome.books.total_after
    assert outcome.sent and outcome.verdict


def test_every_scenario_is_registered_short_and_tells_its_story() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files == set(NAMES)
    assert all(20 <= len((FOLDER / f"{name}.py").read_text().splitlines()) <= 60 for name in NAMES)
    assert all(story_of(name).endswith(".") for name in NAMES)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no scenario is called"):
        find_scenario("deposit_lost")
    with pytest.raises(InvalidInput, match="no backend"), open_network("cloud"):
        pass


def test_a_story_with_several_graphs_has_a_folder_for_each(network: Network, tmp_path: Path) -> None:
    assert network.part("old").folder is None
    parts = [replace(network, folder=tmp_path).part(name) for name in ("old", "new")]
    assert [part.folder for part in parts] == [tmp_path / "old", tmp_path / "new"]
    assert all(part.folder and part.folder.is_dir() for part in parts)


def test_a_broken_promise_ends_a_scenario() -> None:
    expect(True, "nothing")
    with pytest.raises(VerificationFailed, match="nobody was paid"):
        expect(False, "nobody was paid")


# ---- settlements ---------------------------------------------------------------------------------------------


def test_a_settlement_signed_by_all_is_taken_by_the_chain(stage: Stage) -> None:
    settlement = plan(stage, "vault", "olga")
    stage.chain.check(sign_settlement(settlement, signers_of(stage, settlement, "olga")))


def test_a_settlement_is_not_signed_if_one_refuses(stage: Stage) -> None:
    def refuse(_tx: Transaction) -> None:
        raise Refused("no reason")

    settlement = plan(stage, "vault", "olga")
    with pytest.raises(Refused, match="no reason"):
        sign_settlement(settlement, signers_of(stage, settlement, "olga", {"bob": refuse}))


def test_a_settlement_needs_all_in_their_order(stage: Stage) -> None:
    settlement = plan(stage, "vault", "olga")
    those = signers_of(stage, settlement, "olga")
    for some in (those[:-1], those[::-1]):
        with pytest.raises(InvalidInput, match="in this order"):
            sign_settlement(settlement, some)


def test_a_signer_looks_at_payee_and_fee(stage: Stage) -> None:
    settlement = plan(stage, "vault", "dora")
    with pytest.raises(Refused, match="does not pay the agreed party alone"):
        sign_settlement(settlement, signers_of(stage, settlement, "olga"))
    dear = plan_exit_of_all(stage.bundle.graph, "exit.vault", ("vault",), stage.wallets["olga"].script_pubkey, 500)
    with pytest.raises(Refused, match="at lower fees"):
        sign_settlement(dear, signers_of(stage, dear, "olga"))


def test_a_nonce_of_a_settlement_signs_once(stage: Stage) -> None:
    settlement = plan(stage, "vault", "olga")
    requests, those = settlement.requests(), signers_of(stage, settlement, "olga")
    given = {s.name: s.public_nonces(requests)[0] for s in those}
    joined = settlement.contract.cosigners.join_nonces(given)
    those[0].partial_signatures(requests, [joined])
    with pytest.raises(Refused, match="no unused nonce"):
        those[0].partial_signatures(requests, [joined])


# ---- the report ----------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Which elements there are, what they point at, and that each is closed."""

    VOID = ("meta", "path", "rect", "circle", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def report_of(outcome: Outcome, **changed: object) -> str:
    document = describe("challenge_won", outcome, "libbitcoinkernel") | changed
    return render_report(document, transactions_of(outcome), "<svg xmlns='http://www.w3.org/2000/svg'></svg>")


def test_a_report_is_one_page_without_anything_from_outside(played: Outcome) -> None:
    text = report_of(played)
    page = Page(text)
    assert page.open == [] and page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & page.tags and "svg" in page.tags
    assert not re.findall(r"url\(|@import", text)
    assert set(re.findall(r"https?://[^'\"<> ]+", text)) == {"http://www.w3.org/2000/svg"}


def test_a_long_quiet_time_is_cut_out_of_the_timeline() -> None:
    rows = [{"name": f"t{h}", "by": "olga", "height": h, "vbytes": 100, "told": ""} for h in (100, 140, 1140)]
    drawn = draw_timeline(rows)
    assert "… 1,000 blocks …" in drawn and drawn.count("<circle") == 3
    assert int(re.findall(r"width='(\d+)'", drawn)[0]) < 1300
    assert "blocks …" not in draw_timeline(rows[:2])


def test_a_report_follows_the_readers_colours(played: Outcome) -> None:
    text = report_of(played)
    assert "prefers-color-scheme: dark" in text
    drawn = set(re.findall(r"(?:fill|stroke)='(#[0-9a-f]{3}|white)'", text.partition("</style>")[2]))
    neutral = {"#222", "#555", "#666", "#eee", "white"}
    assert neutral <= drawn and all(f"='{colour}'" in text.partition("</style>")[0] for colour in neutral)


def test_a_report_shows_every_transaction_and_balanced_books(played: Outcome) -> None:
    text = report_of(played)
    for sent in played.sent:
        assert sent.tx.txid_hex in text and sent.tx.serialize().hex() in text
    assert "Balanced to the satoshi" in text and "NOT BALANCED" not in text


def test_a_report_says_so_if_a_satoshi_is_missing(played: Outcome) -> None:
    books = played.books
    accounts = {n: Account(a.before, a.after - (n == "olga"), a.fees) for n, a in books.accounts.items()}
    robbed = replace(played, books=Books(accounts, books.fees, books.burned, books.vault, books.dead))
    assert "NOT BALANCED" in report_of(robbed)


def test_what_a_file_says_is_escaped(played: Outcome) -> None:
    evil = "<script>alert(1)</script>'\"&"
    document = describe("x", played, evil) | {"verdict": evil, "remarks": [evil], "story": evil, "guest": evil}
    document["transactions"] = [{**row, "told": evil, "by": evil} for row in document["transactions"]]
    text = render_report(document, transactions_of(played))
    assert "<script" not in text and "&lt;script&gt;" in text
    assert Page(text).open == []


@pytest.mark.parametrize("broken", [{"transactions": []}, {"balances": None}, {"books": {}}])
def test_files_that_do_not_fit_make_no_report(played: Outcome, broken: dict[str, object]) -> None:
    with pytest.raises(VerificationFailed, match="no result"):
        report_of(played, **broken)
