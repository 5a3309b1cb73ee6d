"""`btc-l2 signer`: whole ceremonies at the command line, its refusals and exit codes, every screen as a snapshot.

`python -m tests.cli.test_signer` writes the snapshots anew; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from btc_l2.cli import signer_desk
from btc_l2.cli.signer_screens import policy_screen, review_screen, status_lines
from challenger.presign.ceremony.contribution import Contribution, pack
from challenger.presign.ceremony.evidence import verify_evidence
from challenger.presign.review import holdings, locked_by, worst_loss
from taproot.errors import Refused
from taproot.parties import N_OF_N
from tests.challenger.signers import Table
from tests.cli.conftest import Command
from tests.cli.signers import DEPOSIT, DEPOSITOR, Group, call, digest_of, outpoint
from tests.taproot.toy import build_toy_games, make_proposal

NAMES = ("olga", "alice")
SCREENS = Path(__file__).with_name("screens")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BTCL2_HOME", "BTCL2_NONCES", "BTCL2_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which olga, an operator, and alice have registered a policy."""
    return Group(call, tmp_path_factory.mktemp("registered"), NAMES).set_up().folder


@pytest.fixture(scope="module")
def said_yes(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which both have said yes to the same graph."""
    folder = shutil.copytree(registered, tmp_path_factory.mktemp("agreed") / "copy")
    return Group(call, Path(folder), NAMES).until_agreed().folder


@pytest.fixture
def pair(registered: Path, tmp_path: Path) -> Group:
    """Olga and alice: registered, nothing proposed."""
    return Group(call, Path(shutil.copytree(registered, tmp_path / "copy")), NAMES)


@pytest.fixture
def agreed(said_yes: Path, tmp_path: Path) -> Group:
    """Both have said yes to the same graph."""
    return Group(call, Path(shutil.copytree(said_yes, tmp_path / "copy")), NAMES)


# ---- the way through -------------------------------------------------------------------------------------------------


def test_two_signers_end_with_bundles_that_verify(agreed: Group) -> None:
    for _ in range(3):
        said = [agreed.ok(name, "sign", "--out", agreed.stick).stderr for name in agreed.names]
        agreed.share()
    assert all("before you give confirm-partials away" in line for line in said)
    words = set()
    for name in agreed.names:
        done = agreed.ok(name, "combine", "--out", agreed.folder / f"bundles.{name}", "--json").json()
        words.add(done["words"])
        assert done["operators"] == ["olga"] and done["deposit"] == DEPOSIT
    assert len(words) == 1 and len(words.pop().split()) == 8
    shown = agreed.call("signer", "verify", agreed.folder / "bundles.alice", "--json")
    assert shown.code == 0 and shown.json()["valid"] and shown.json()["signatures"] > 500
    manifest = agreed.folder / "bundles.alice" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"domain":"', '"domain":"0'))
    assert agreed.call("signer", "verify", agreed.folder / "bundles.alice").code == 4
    (row,) = agreed.ok("alice", "status", "--json").json()
    assert row["missing"] == "nothing; run `btc-l2 signer combine`"


@pytest.mark.long
def test_three_signers_of_whom_two_are_operators_end_with_two_bundles(tmp_path: Path) -> None:
    group = Group(call, tmp_path, ("olga", "oskar", "alice"), operators=2).set_up().until_agreed()
    for _ in range(3):
        group.sign_all()
        group.share()
    done = group.ok("alice", "combine", "--out", tmp_path / "bundles", "--json").json()
    assert done["operators"] == ["olga", "oskar"]
    assert group.call("signer", "verify", tmp_path / "bundles").code == 0


def test_files_of_a_ceremony_are_written_again_on_demand(agreed: Group) -> None:
    agreed.sign_all()
    agreed.ok("alice", "export", "--out", agreed.folder / "again")
    names = {p.name for p in (agreed.folder / "again").iterdir()}
    assert names == {"keys.0.alice.json", "nonces.1.alice.json"}
    assert all((agreed.folder / "again" / n).read_bytes() == (agreed.stick / n).read_bytes() for n in names)
    agreed.ok("alice", "export", "--of", "olga", "--out", agreed.folder / "others")
    assert (agreed.folder / "others" / "propose.0.olga.json").exists()


def test_a_backup_restores_into_another_home_and_goes_on_with_resume(agreed: Group) -> None:
    backup = agreed.folder / "alice.backup"
    agreed.ok("alice", "backup", "--out", backup, "--scrypt-log2", 14)
    agreed.sign_all()
    agreed.home("alice").rename(agreed.folder / "lost")
    agreed.ok("alice", "restore", backup)
    refused = agreed.run("alice", "sign", "--out", agreed.stick)
    assert refused.code == 6 and "sign with --resume" in refused.stderr
    agreed.share()
    agreed.ok("alice", "sign", "--resume", "--out", agreed.stick)
    assert (agreed.stick / "nonces.2.alice.json").exists()
    for _ in range(4):
        agreed.share()
        agreed.sign_all()
    agreed.share()
    agreed.ok("alice", "combine", "--out", agreed.folder / "bundles")


# ---- who says no -----------------------------------------------------------------------------------------------------


def test_without_a_yes_nothing_is_registered_or_agreed(pair: Group) -> None:
    pair.propose()
    pair.share()
    for name in pair.names:
        pair.keys(name)
    pair.share()
    shown = pair.run("alice", "review")
    assert shown.code == 6 and "no terminal to ask" in shown.stderr
    wrong = pair.run("alice", "review", "--accept", "00000000")
    short = pair.run("alice", "review", "--accept", digest_of(shown)[:7])
    assert (wrong.code, short.code) == (6, 6) and "not the first 8" in wrong.stderr
    refused = pair.run("alice", "sign", "--out", pair.stick)
    assert refused.code == 6 and "run `btc-l2 signer review` first" in refused.stderr


@pytest.mark.parametrize(("answer", "is_yes"), [("y\n", True), ("yes\n", True), ("\n", False), ("n\n", False)])
def test_the_default_answer_is_no(
    answer: str, is_yes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr(sys, "stdin", Terminal())
    if is_yes:
        signer_desk.ask("Agreed?", bytes(32), None)
    else:
        with pytest.raises(Refused, match="you said no"):
            signer_desk.ask("Agreed?", bytes(32), None)
    assert "[y/N]" in capsys.readouterr().err


def test_a_home_has_one_policy_for_good(pair: Group) -> None:
    other = json.loads((pair.folder / "policy.json").read_text())
    other["terms"]["penalty"] = 4_000_000
    (pair.folder / "other.json").write_text(json.dumps(other))
    shown = pair.run("alice", "register", pair.folder / "other.json", "--accept", "00000000")
    assert shown.code == 6 and "another policy registered" in shown.stderr


def test_a_policy_with_an_exchanged_card_is_refused(pair: Group) -> None:
    other = json.loads((pair.folder / "policy.json").read_text())
    for member in other["members"]:
        if member[0] == "alice":
            member[1] = DEPOSITOR.public_key.hex()
    (pair.folder / "other.json").write_text(json.dumps(other))
    shown = pair.run("alice", "register", pair.folder / "other.json")
    assert shown.code == 6 and "somebody exchanged your card" in shown.stderr


def test_a_deviation_from_the_registered_policy_is_refused_with_code_6(
    pair: Group, btc_l2: Command, tmp_path: Path
) -> None:
    pair.propose()
    (proposal,) = pair.stick.iterdir()
    document = json.loads(proposal.read_text())
    document["body"]["policy"]["terms"]["penalty"] = 4_000_000
    proposal.write_text(json.dumps(document))
    refused = pair.run("alice", "import", pair.stick)
    assert refused.code == 6 and "penalty: registered 5000000, here 4000000" in refused.stderr


def test_mainnet_is_refused(pair: Group) -> None:
    (pair.folder / "terms.json").write_text('{"network": "main"}')
    refused = pair.call("signer", "draft", "--card", pair.folder / "olga.card", "--card", pair.folder / "alice.card",
                        "--operator", "olga", "--image-root", "22" * 32, "--terms", pair.folder / "terms.json",
                        "--out", pair.folder / "p")  # fmt: skip
    assert refused.code == 6 and "mainnet" in refused.stderr


# ---- who is at fault -------------------------------------------------------------------------------------------------


def test_a_wrong_part_ends_with_code_5_and_evidence_that_others_can_check(agreed: Group) -> None:
    agreed.sign_all()
    agreed.share()
    agreed.sign_all()
    path = agreed.stick / "partials.1.olga.json"
    bad = Contribution.from_bytes(path.read_bytes())
    home = agreed.home("olga")
    _, keys = signer_desk.open_keys(home, b"correct horse")
    size = len(bad.body["partials"]) * 3 // 4 // 32
    body = {**bad.body, "partials": pack([bytes(31) + b"\1"] * size)}
    forged = Contribution.make(keys.identity, "olga", bad.round, 1, bad.policy, body, bad.ceremony)
    path.write_bytes(forged.to_bytes())
    agreed.ok("alice", "import", agreed.stick)
    found = agreed.run("alice", "sign", "--out", agreed.stick)
    assert found.code == 5 and "olga misbehaved: partial signature" in found.stderr
    (evidence,) = (agreed.home("alice") / "evidence").iterdir()
    assert verify_evidence(evidence.read_bytes(), signer_desk.CRAFT).party == "olga"
    assert agreed.call("signer", "verify", evidence).code == 5
    changed = evidence.read_text().replace('"party":"olga"', '"party":"alice"')
    (agreed.folder / "changed.json").write_text(changed)
    assert agreed.call("signer", "verify", agreed.folder / "changed.json").code == 4


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_no_option_takes_a_secret_itself(btc_l2: Command) -> None:
    for command in ("init", "sign", "backup", "restore", "register"):
        shown = btc_l2("signer", command, "--help").stdout
        assert "--passphrase-file" in shown and "--passphrase-fd" in shown
        assert "--passphrase " not in shown and "--seed" not in shown and "--key " not in shown


def test_the_passphrase_comes_from_a_private_file_a_descriptor_or_a_terminal(btc_l2: Command, tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "passphrase"
    file.write_text("secret")
    file.chmod(0o644)
    cheap = ("--name", "alice", "--scrypt-log2", "14", "--home", home)
    assert btc_l2("signer", "init", *cheap, "--passphrase-file", file).code == 6
    assert btc_l2("signer", "init", *cheap).code == 6  # no terminal here
    file.chmod(0o600)
    with file.open("rb") as stream:
        assert btc_l2("signer", "init", *cheap, "--passphrase-fd", stream.fileno()).code == 0
    keystore = home / "keystore.json"
    assert keystore.stat().st_mode & 0o777 == 0o600 and home.stat().st_mode & 0o777 == 0o700
    assert btc_l2("signer", "init", *cheap, "--passphrase-file", file).code == 6  # never overwritten
    file.write_text("another")
    wrong = btc_l2("signer", "export", "--card", "--out", tmp_path / "card", "--home", home, "--passphrase-file", file)
    assert wrong.code == 4 and "wrong passphrase" in wrong.stderr


def test_settings_come_from_the_environment_too(
    btc_l2: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passphrase"
    file.write_text("secret")
    file.chmod(0o600)
    monkeypatch.setenv("BTCL2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BTCL2_PASSPHRASE_FILE", str(file))
    assert btc_l2("signer", "init", "--name", "alice", "--scrypt-log2", "14").code == 0
    assert (tmp_path / "home" / "keystore.json").exists()


def test_halves_of_nonces_lie_outside_of_the_home(agreed: Group) -> None:
    inside = agreed.run("alice", "sign", "--out", agreed.stick, "--nonces", agreed.home("alice") / "nonces")
    assert inside.code == 2 and "both halves" in inside.stderr
    agreed.ok("alice", "sign", "--out", agreed.stick, "--nonces", agreed.folder / "card reader")
    (half,) = (agreed.folder / "card reader").iterdir()
    assert half.stat().st_mode & 0o777 == 0o600 and len(half.read_bytes()) == 32


@pytest.mark.parametrize(
    "arguments", [("sign", "--out", "x"), ("review",), ("combine", "--out", "x"), ("export", "--out", "x")]
)
def test_a_ceremony_that_is_not_here_is_an_invalid_input(pair: Group, arguments: tuple[str, ...]) -> None:
    answer = pair.run("alice", *arguments)
    assert answer.code == 2 and "names 0 ceremonies here" in answer.stderr


def test_wrong_outpoints_are_an_invalid_input(pair: Group) -> None:
    pair.propose()
    pair.share()
    answer = pair.run("alice", "sign", "--ticket", outpoint("x"), "--out", pair.stick)
    assert answer.code == 2 and "neither stake nor ticket" in answer.stderr


# ---- screens ---------------------------------------------------------------------------------------------------------


@cache
def _table() -> Table:
    table = Table(Path(tempfile.mkdtemp()), 3)
    table.propose()
    table.give_keys()
    return table


def _review(name: str, full: bool) -> Iterator[str]:
    seat = _table().seat(name)
    return review_screen(seat.plan, seat.graphs(), name, 2, full)


SHOWN: dict[str, Callable[[], Iterator[str]]] = {
    "policy": lambda: policy_screen(_table().policy, "bob"),
    "review-operator": lambda: _review("alice", False),
    "review-challenger": lambda: _review("bob", False),
    "review-full": lambda: _review("bob", True),
    "status": lambda: (f"{name}: {value}" for name, value in status_lines(_table().seat("bob"))),
}


@pytest.mark.parametrize("name", SHOWN)
def test_screen(name: str) -> None:
    assert "\n".join(SHOWN[name]()) + "\n" == (SCREENS / f"{name}.txt").read_text()


def test_review_tells_every_output_and_every_transaction() -> None:
    graph = make_proposal().build_graph(build_toy_games)
    told = holdings(graph)
    assert [h.name for h in told] == list(graph.outputs)
    assert {way.name for h in told for way in h.ways} == set(graph.transactions)
    for holding in told:
        assert holding.value == graph.outputs[holding.name].value
        for way in holding.ways:
            planned = graph.planned(way.name)
            assert [g.value for g in way.goals] == [out.value for out in planned.tx.outputs]
            assert sum(o.value for o in planned.prevouts) == sum(g.value for g in way.goals)
            delays = {way.after, *(delay for _, delay in way.beside)} - {0}
            assert delays == {i.sequence for i in planned.tx.inputs if i.sequence < 1 << 16}


def test_review_names_who_is_free_to_send_an_output_elsewhere() -> None:
    told = holdings(make_proposal().build_graph(build_toy_games))
    free = {h.name: {(f.party, f.after) for f in h.free_to} for h in told}
    assert free["deposit"] == {(N_OF_N, 0), ("depositor", 144)}
    assert free["vault"] == {(N_OF_N, 0)} and free["gate.alice"] == set()
    assert free["ticket"] == {("operator", 0)} and free["alice/assert"] == {("alice", 13)}


def test_review_sums_what_is_locked_and_what_can_be_lost() -> None:
    graph = make_proposal().build_graph(build_toy_games)
    terms = graph.contract.terms
    locked = locked_by(graph)
    assert locked["depositor"] == {"deposit": terms.deposit} and locked["alice"] == {"bond.alice": terms.bond}
    assert locked["operator"] == {"stake0": terms.stakes[0], "ticket": terms.ticket_value(2)}
    assert worst_loss(graph, "alice")[0] == terms.penalty
    assert worst_loss(graph, "operator")[0] == terms.stakes[0] + terms.asset
    assert worst_loss(graph, "carol") == (0, None)


def test_a_screen_is_what_a_person_gets(pair: Group) -> None:
    shown = pair.run("alice", "register", pair.folder / "policy.json")
    assert "alice (you)" in shown.stdout and "compare these words with every other signer" in shown.stdout
    pair.ok("alice", "register", pair.folder / "policy.json", "--accept", digest_of(shown))


if __name__ == "__main__":
    for screen, lines in SHOWN.items():
        (SCREENS / f"{screen}.txt").write_text("\n".join(lines()) + "\n")
