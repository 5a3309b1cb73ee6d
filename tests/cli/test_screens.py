"""Every screen of `btc-l2 signer` and `btc-l2 standing` as a person sees it, in the order of one deposit's life.

The screens lie in `tests/cli/screens/life`. What is random is written as its kind: `<64 hex>`, `<address>`, `<words>`.
`python -m tests.cli.test_screens` writes them anew; look at the difference before you commit it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from btc_l2.chain.faucet import fund
from btc_l2.cli.signer_desk import open_keys
from challenger.agents.wallet import Wallet
from challenger.keystore import seal
from challenger.presign.ceremony.contribution import Contribution, pack
from challenger.presign.ceremony.store import KEYSTORE
from taproot.hashes import sha256
from tests.cli.conftest import Answer
from tests.cli.paid import PaidGroup
from tests.cli.signers import DEPOSITOR, call, digest_of

SCREENS = Path(__file__).with_name("screens") / "life"
NAMES = ("olga", "alice")
_WORDS = re.compile(r"^(.*: |    )[a-z]{3,8}(?: [a-z]{3,8}){7}$", re.MULTILINE)


@dataclass
class Life(PaidGroup):
    """One deposit from the first command to the way home of a bond; keeps what each command has shown."""

    shown: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, command: str, *arguments: object, extra: tuple[object, ...] = ()) -> Answer:
        """Keystores come from fixed seeds: the order of the members is that of their keys."""
        if command == "init":
            self.home(name).mkdir(0o700)
            (self.home(name) / KEYSTORE).write_bytes(seal(sha256(name.encode()), b"correct horse", name, 14))
            (self.home(name) / KEYSTORE).chmod(0o600)
            return Answer(0, "", "")
        return super().run(name, command, *arguments, extra=extra)

    def keep(self, screen: str, said: Answer) -> Answer:
        """What a person sees, errors and notes marked, the exit code at the end."""
        lines = [*said.stdout.splitlines(), *(f"! {line}" for line in said.stderr.splitlines())]
        self.shown[screen] = self.plain("\n".join([*lines, f"exit code {said.code}"])) + "\n"
        return said

    def plain(self, text: str) -> str:
        """Without what is random."""
        text = text.replace(str(self.folder), "FOLDER")
        text = re.sub(r"bcrt1[a-z0-9]{20,}", "<address>", text)
        text = re.sub(r"\b[0-9a-f]{16,}\b", lambda found: f"<{len(found[0])} hex>", text)
        text = re.sub(r"\.[0-9a-f]{8}\.json", ".<8 hex>.json", text)
        return _WORDS.sub(r"\1<words>", text)

    def standing(self, command: str, *arguments: object, name: str = "alice") -> Answer:
        given: list[object] = ["--chain", self.folder / "chain"]
        given += ["--bundles", self.folder / "bundles"] if command != "fund" else []
        given += ["--home", self.home(name)] if command != "status" else []
        given += ["--passphrase-file", self.folder / "passphrase"] if command in ("leave", "exit") else []
        return self.call("standing", command, *arguments, *given)


def _live(life: Life) -> dict[str, str]:
    _set_up(life)
    _sign(life)
    _use(life)
    return life.shown


def _set_up(life: Life) -> None:
    passphrase = life.folder / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)
    alone = ("--home", life.folder / "new", "--passphrase-file", passphrase, "--scrypt-log2", 14)
    life.keep("01-init", life.call("signer", "init", "--name", "bob", *alone))
    life.set_up()
    life.keep("02-export-card", life.run("alice", "export", "--card", "--out", life.folder / "again.card"))
    cards = [part for name in NAMES for part in ("--card", life.folder / f"{name}.card")]
    draft = ("signer", "draft", *cards, "--operator", "olga", *life.program, "--out", life.folder / "second.json")
    life.keep("03-draft", life.call(*draft))
    life.keep("04-draft-refused", life.call(*draft[:-1], life.folder / "third.json", "--relay-rate", 3))
    life.keep("05-register", life.run("alice", "register", life.folder / "policy.json"))
    shown = digest_of(life.run("alice", "register", life.folder / "policy.json"))
    life.keep("06-register-yes", life.run("alice", "register", life.folder / "policy.json", "--accept", shown))
    life.keep("07-fund", life.standing("fund", "--party", "olga"))
    life.pay()
    life.keep("08-fund-paid", life.standing("fund"))


def _sign(life: Life) -> None:
    deposit, chain = life.paid["", "deposit"], ("--chain", life.folder / "chain")
    key = DEPOSITOR.public_key.hex()
    life.keep("09-propose-refused", life.run("olga", "propose", "--deposit", deposit, "--depositor", f"olga={key}",
                                             "--out", life.stick))  # fmt: skip
    life.propose()
    _deviate(life)
    life.keep("10-import", life.run("alice", "import", life.stick))
    life.share()
    life.keep("11-status", life.run("alice", "status"))
    life.keep("12-sign-keys", life.keys("alice"))
    life.keys("olga")
    life.keep("12a-review-too-early", life.run("alice", "review"))
    life.keep("13-check-missing", life.run("alice", "check", *chain, "--depth", 9))
    life.share()
    life.keep("14-check-doubts", life.run("alice", "check", *chain, "--depth", 9))
    life.keep("15-check", life.run("alice", "check", *chain, "--statement", life.stick))
    life.keep("16-import-statement", life.run("olga", "import", life.stick))
    life.keep("17-sign-before-review", life.run("olga", "sign", "--out", life.stick))
    shown = digest_of(life.keep("18-review-no", life.run("olga", "review")))
    life.ok("olga", "review", "--accept", shown)
    life.keep("19-review-yes", life.run("alice", "review", "--accept", shown))
    for number, screen in ((20, "nonces"), (21, "partials"), (22, "confirm")):
        life.keep(f"{number}-sign-{screen}", life.run("alice", "sign", "--out", life.stick))
        life.ok("olga", "sign", "--out", life.stick)
        life.share()
        if screen == "nonces":
            with tempfile.TemporaryDirectory() as folder:
                _accuse(replace(life, folder=Path(shutil.copytree(life.folder, Path(folder) / "copy"))))
    life.keep("23-status", life.run("alice", "status"))


def _deviate(life: Life) -> None:
    """Files that were changed on their way, or follow another policy."""
    (proposal,) = life.stick.iterdir()
    path = life.folder / proposal.name
    changes = {"09a-import-changed": ('"salt":"', '"salt":"0'), "09b-import-deviation": (":5000000", ":4000000")}
    for screen, (old, new) in changes.items():
        path.write_text(proposal.read_text().replace(old, new))
        life.keep(screen, life.run("alice", "import", path))


def _accuse(life: Life) -> None:
    """On a copy of everything: olga's parts are wrong, alice finds out, anybody can check the evidence."""
    life.ok("olga", "sign", "--out", life.stick)
    path = life.stick / "partials.1.olga.json"
    bad = Contribution.from_bytes(path.read_bytes())
    size = len(bad.body["partials"]) * 3 // 4 // 32
    body = {**bad.body, "partials": pack([bytes(31) + b"\1"] * size)}
    _, keys = open_keys(life.home("olga"), b"correct horse")
    forged = Contribution.make(keys.identity, "olga", bad.round, 1, bad.policy, body, bad.ceremony)
    path.write_bytes(forged.to_bytes())
    life.ok("alice", "import", life.stick)
    life.keep("20a-sign-misbehaviour", life.run("alice", "sign", "--out", life.stick))
    (evidence,) = (life.home("alice") / "evidence").iterdir()
    life.keep("20b-verify-evidence", life.call("signer", "verify", evidence))


def _use(life: Life) -> None:
    bundles, folder, chain = life.folder / "bundles", life.folder, ("--chain", life.folder / "chain")
    life.keep("24-combine", life.run("alice", "combine", "--out", bundles))
    life.keep("25-verify", life.call("signer", "verify", bundles))
    life.keep("26-export", life.run("alice", "export", "--out", folder / "mine"))
    life.keep("27-backup", life.run("alice", "backup", "--out", folder / "backup", "--scrypt-log2", 14))
    elsewhere = ("--home", folder / "restored", "--passphrase-file", folder / "passphrase")
    life.keep("28-restore", life.call("signer", "restore", folder / "backup", *elsewhere))
    life.keep("29-check-bundles", life.call("signer", "check", bundles, *chain))
    life.keep("30-psbt", life.call("signer", "psbt", bundles, "take1", "--signatures", "--out", folder / "take1.psbt"))
    life.keep("31-psbt-show", life.call("signer", "psbt", bundles, "--show", folder / "take1.psbt"))
    life.keep("32-psbt-unknown", life.call("signer", "psbt", bundles, "takeout"))
    life.keep("33-standing", life.standing("status"))
    life.keep("34-exit-refused", life.standing("exit", "bond.alice"))
    life.keep("35-leave-without-coins", life.standing("leave", "bond.alice"))
    _, keys = open_keys(life.home("alice"), b"correct horse")
    with life.chain() as opened:
        fund(opened, Wallet(opened, keys.key).script_pubkey, 50_000)  # type: ignore[arg-type]
    life.keep("36-leave", life.standing("leave", "bond.alice", "--broadcast"))
    life.mine(1)
    life.keep("37-standing-leaving", life.standing("status", "--party", "alice"))
    life.keep("38-exit-too-early", life.standing("exit", "bond.alice"))
    life.mine(399)
    life.keep("39-exit", life.standing("exit", "bond.alice", "--broadcast"))
    life.mine(1)
    life.keep("40-standing-gone", life.standing("status", "--party", "alice"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BTCL2_HOME", "BTCL2_NONCES", "BTCL2_PASSPHRASE_FILE"):
            patch.delenv(name, raising=False)
        yield _live(Life(call, tmp_path_factory.mktemp("life"), NAMES))


@pytest.mark.parametrize("path", sorted(SCREENS.glob("*.txt")), ids=lambda path: path.stem)
def test_screen(path: Path, lived: dict[str, str]) -> None:
    assert lived[path.stem] == path.read_text()


def test_every_screen_has_its_file(lived: dict[str, str]) -> None:
    assert sorted(lived) == sorted(path.stem for path in SCREENS.glob("*.txt"))


def test_every_command_of_the_signer_has_a_screen(lived: dict[str, str]) -> None:
    from btc_l2.cli.signer import app

    elsewhere = {"settle", "refresh"}  # ceremonies of other kinds have tests of their own
    commands = {command.name for command in app.registered_commands} - elsewhere
    assert {name for name in commands if not any(name in screen for screen in lived)} == set()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as written:
        shown = _live(Life(call, Path(written), NAMES))
    SCREENS.mkdir(exist_ok=True)
    for old in SCREENS.glob("*.txt"):
        old.unlink()
    for screen, text in shown.items():
        (SCREENS / f"{screen}.txt").write_text(text)
    print(f"written: {SCREENS}", file=sys.stderr)
