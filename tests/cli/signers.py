"""People who sign together at the command line, each with a home folder of his own."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from btc_l2.cli import main
from taproot.hashes import sha256
from taproot.keys import SecretKey
from tests.cli.conftest import Answer, Command

TERMS = {"arities": [4, 4]}
DEPOSITOR = SecretKey(sha256(b"dora"))
DEPOSIT = "11" * 32 + ":0"


def call(*arguments: object) -> Answer:
    """One command, with what it printed; for fixtures that live longer than a test."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main.run([str(argument) for argument in arguments])
    return Answer(int(left.value.code or 0), out.getvalue(), err.getvalue())


def outpoint(text: str) -> str:
    return sha256(text.encode()).hex() + ":0"


@dataclass
class Group:
    """`names`; the first `operators` of them are operators. `stick` is what goes from hand to hand."""

    call: Command
    folder: Path
    names: tuple[str, ...]
    operators: int = 1
    terms: dict[str, object] = field(default_factory=lambda: dict(TERMS))
    program: tuple[str, ...] = ("--image-root", "22" * 32)

    @property
    def stick(self) -> Path:
        return self.folder / "stick"

    def home(self, name: str) -> Path:
        return self.folder / name

    def run(self, name: str, command: str, *arguments: object, extra: tuple[object, ...] = ()) -> Answer:
        """One command of one person, whatever its exit code."""
        given = ["--home", self.home(name), "--passphrase-file", self.folder / "passphrase"]
        given += ["--nonces", self.folder / "nonces"] if command == "sign" and "--nonces" not in arguments else []
        return self.call("signer", command, *arguments, *given, *extra)

    def ok(self, name: str, command: str, *arguments: object) -> Answer:
        answer = self.run(name, command, *arguments)
        assert answer.code == 0, answer.stderr
        return answer

    def set_up(self) -> Group:
        """Keystores, cards, policy; everybody registers."""
        passphrase = self.folder / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        for name in self.names:
            self.ok(name, "init", "--name", name, "--scrypt-log2", 14)
        self.draft()
        for name in self.names:
            self.register(name)
        return self

    def draft(self) -> None:
        """Everybody's card, and the policy made of them."""
        for name in self.names:
            self.ok(name, "export", "--card", "--out", self.folder / f"{name}.card")
        (self.folder / "terms.json").write_text(json.dumps(self.terms))
        cards = [part for name in self.names for part in ("--card", self.folder / f"{name}.card")]
        operators = [part for name in self.names[: self.operators] for part in ("--operator", name)]
        about = [*self.program, "--terms", self.folder / "terms.json"]
        done = self.call("signer", "draft", *cards, *operators, *about, "--out", self.folder / "policy.json")
        assert done.code == 0, done.stderr

    def register(self, name: str) -> None:
        shown = self.run(name, "register", self.folder / "policy.json")
        assert shown.code == 6, shown.stderr
        self.ok(name, "register", self.folder / "policy.json", "--accept", digest_of(shown))

    def propose(self) -> None:
        key = DEPOSITOR.public_key.hex()
        first = self.names[0]
        self.ok(first, "propose", "--deposit", DEPOSIT, "--depositor", f"dora={key}", "--out", self.stick)

    def keys(self, name: str) -> Answer:
        """The first round: outpoints as this person's part needs them."""
        operators, arguments = self.names[: self.operators], []
        if name in operators:
            arguments += ["--stake", outpoint(f"stake {name}"), "--ticket", outpoint(f"ticket {name}")]
        arguments += [p for o in operators if o != name for p in ("--bond", f"{o}={outpoint(f'bond {name} {o}')}")]
        return self.ok(name, "sign", *arguments, "--out", self.stick)

    def share(self) -> None:
        for name in self.names:
            self.ok(name, "import", self.stick)

    def agree(self) -> None:
        for name in self.names:
            shown = self.run(name, "review")
            assert shown.code == 6, shown.stderr
            self.ok(name, "review", "--accept", digest_of(shown))

    def sign_all(self) -> None:
        for name in self.names:
            self.ok(name, "sign", "--out", self.stick)

    def until_agreed(self) -> Group:
        """From the proposal on; everybody is registered."""
        self.propose()
        self.share()
        for name in self.names:
            self.keys(name)
        self.share()
        self.agree()
        return self


def digest_of(shown: Answer) -> str:
    """The digits of the title, which a person who read the screen can type."""
    return shown.stdout.split()[2]
