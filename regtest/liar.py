"""An operator who lies, for stories with watchtowers: the watchtower itself, told another truth about the program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from btc_l2.durable import write_once
from btc_l2.guests import Guest, find_guest
from challenger.agents.player import Secrets
from challenger.game.prover import TraceProver
from challenger.games import IMAGE_ROOT
from challenger.presign.bundle import read_proposal
from challenger.watchtower.announcement import announce
from challenger.watchtower.case import ProgramOf
from challenger.watchtower.orders import Orders
from challenger.watchtower.place import list_folder, list_places
from challenger.watchtower.program import Program, load_program, read_description
from regtest.claiming import make_prover
from regtest.plot import Plot
from taproot.terms import Terms


@dataclass(frozen=True, slots=True)
class LyingProgram(Program):
    """A program whose true run, on whatever claim, is the lie."""

    guest: Guest
    terms: Terms
    lie: str

    def truth(self, claim: bytes, steps: int) -> TraceProver:
        """What he claims and proves. Raises InvalidInput for an unknown lie."""
        assert steps == self.terms.steps
        plot, true = Plot(self.guest, self.terms, lie=self.lie), Program(self.image, self.blobs)
        return make_prover(plot, self.image, self.blobs, lambda of: true.truth(of, steps))


@dataclass(frozen=True, slots=True)
class Liar:
    """Reads programs as the watchtower does (`ProgramOf`), and turns them into lies."""

    lie: str

    def __call__(self, folder: Path, root: bytes) -> LyingProgram:
        honest = load_program(folder, root)
        guest = find_guest(str(read_description(folder)["guest"]))
        return LyingProgram(
            honest.image, honest.blobs, guest, read_proposal(list_folder(folder)[0].path).terms, self.lie
        )


def publish_claims(orders: Orders, secrets: Secrets, program_of: ProgramOf) -> Iterator[Path]:
    """Announce a claim for each own graph that has none, true or as the program lies; a link is followed."""
    for place in list_places(orders.deposits):
        if place.operator != orders.party or place.claim.exists():
            continue
        proposal = read_proposal(place.path)
        claim = find_guest(str(read_description(place.folder)["guest"])).honest_claim()
        prover = program_of(place.folder, proposal.constants[IMAGE_ROOT]).truth(claim, proposal.terms.steps)
        path = place.claim.resolve()
        write_once(path, announce(prover, proposal, secrets.key).to_json().encode())
        yield path
