"""A depositor at the command line who may die in each command: she gives it again, or looks what has become of it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from btc_l2.bridge.refund_kit import RefundKit
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund
from btc_l2.cli import main
from regtest.crashes.disk import watching
from regtest.crashes.matrix import Ending, Story
from regtest.crashes.points import Watch
from regtest.outcome import expect
from regtest.party import DEPOSITOR
from taproot.tx import Transaction
from tests.challenger.signers import policy_of

HER_KEY = "11" * 32
REFUSED = 6


def refund_story() -> Story:
    """`bridge deposit`, `status`, `refund --broadcast`: the deposit comes back, each event is recorded once."""

    def play(watch: Watch, folder: Path) -> Ending:
        her = Depositor(watch, folder)
        with watching(watch), _sending(watch):
            her.give("deposit", "--policy", folder / "policy.json", "--key-file", folder / "key", chain=False)
            (deposit,) = her.give("status")
            her.pay(deposit)
            expect(her.give("status", deposit["id"])["state"] == "funded", "the payment was not found")
            her.mine(her.terms.refund_delay)
            her.give("refund", deposit["id"], "--key-file", folder / "key", "--broadcast")
            her.mine(her.terms.confirmations)
            end = her.give("status", deposit["id"])
            kit = her.give("kit", "verify", her.kit(deposit), chain=False, home=False)
        return end["state"], DEPOSITOR, kit["outpoint"], *[line.partition(" ")[2] for line in end["history"]]

    return Story("bridge commands", play)


class Depositor:
    """Her home, her key file, the chain of a folder."""

    def __init__(self, watch: Watch, folder: Path) -> None:
        self._watch, self._folder, self.home = watch, folder, folder / "home"
        watch.homes[DEPOSITOR] = (self.home,)
        policy = policy_of(3)
        self.terms = policy.terms
        (folder / "policy.json").write_text(json.dumps(policy.to_json()))
        (folder / "key").touch(0o600)
        (folder / "key").write_text(HER_KEY)

    def give(self, *arguments: object, chain: bool = True, home: bool = True) -> Any:
        """A command; what it shows. Refused the second time, it was carried out the first time."""
        given = ["bridge", *map(str, arguments), "--json"]
        given += ["--home", str(self.home)] if home else []
        given += ["--chain", str(self._folder / "chain")] if chain else []
        lives = len(self._watch.died)
        code, shown, said = self._watch.live(DEPOSITOR, lambda: _run(given))
        expect(code == 0 or (code == REFUSED and len(self._watch.died) > lives), f"{' '.join(given[:2])} said {said}")
        return json.loads(shown) if code == 0 else None

    def pay(self, deposit: dict[str, Any]) -> None:
        """What was announced, buried."""
        kit = RefundKit.load(self.kit(deposit))
        with EmbeddedChain(self._folder / "chain") as chain:
            fund(chain, kit.output.script_pubkey, kit.amount)
            chain.mine(self.terms.confirmations)

    def mine(self, blocks: int) -> None:
        """Time passes."""
        with EmbeddedChain(self._folder / "chain") as chain:
            chain.mine(blocks)

    def kit(self, deposit: dict[str, Any]) -> Path:
        """Her refund kit."""
        return self.home / "deposits" / f"{deposit['id']}.kit.json"


def _run(given: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            main.run(list(given))
        except SystemExit as left:
            return int(left.code or 0), shown.getvalue(), said.getvalue()
    return 0, shown.getvalue(), said.getvalue()


@contextlib.contextmanager
def _sending(watch: Watch) -> Iterator[None]:
    """A command's sending has a point before and one after."""
    send = EmbeddedChain.broadcast

    def broadcast(self: EmbeddedChain, txs: Transaction | Sequence[Transaction]) -> None:
        watch.reach("send before", "refund")
        send(self, txs)
        watch.reach("send after", "refund")

    EmbeddedChain.broadcast = broadcast  # type: ignore[method-assign]
    try:
        yield
    finally:
        EmbeddedChain.broadcast = send  # type: ignore[method-assign]
