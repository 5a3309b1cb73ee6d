"""A confirmed transaction of a story as one sentence: who does what, and why."""

from __future__ import annotations

from collections.abc import Mapping

from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.disasm import disassemble
from challenger.agents.track import Tracker
from challenger.agents.view import Confirmed, View
from challenger.game.kinds import CHAINS
from challenger.game.solver import segment
from challenger.game.state import GameState
from challenger.turns import Game
from regtest.plot import Plot
from taproot.presigned import Graph, Kind
from taproot.units import COIN

_ACCESS = {
    "fetch": "the instruction word",
    "rs": "the first operand's register",
    "rt": "the second operand's register",
    "control": "the write of the control words",
    "register": "the write of the result",
    "memory": "the access to memory",
    "key": "the key of the mapped blob",
    "slot": "the write of the slot's node",
    "final": "the status of the last state",
    **{f"claim{k}": f"the write of claim leaf {k}" for k in range(4)},
}
_PICKS = {
    "pick_init": "the first root is not that of the program with this claim",
    "pick_final": "the last state is not a clean exit",
}


def btc(sats: int) -> str:
    """An amount for a person."""
    return f"{sats / COIN:.8f}".rstrip("0").rstrip(".") + " BTC"


class Narrator:
    """Tells one story; reads the games from the chain like any observer."""

    def __init__(self, plot: Plot, view: View, graph: Graph, games: Mapping[str, Game]) -> None:
        self._plot = plot
        self._graph = graph
        self._terms = plot.terms
        self._operator = graph.contract.parties.operator.name
        self._trackers = {name: Tracker(view, game) for name, game in games.items()}

    def tell(self, seen: Confirmed, by: str) -> str:
        """One sentence about a transaction that `by` sent."""
        kind = self._graph.planned(seen.name).kind
        game, _, move = seen.name.partition("/")
        if kind is Kind.MOVE:
            return f"[{game}'s game] {by} {self._move(game, move)}"
        if kind in (Kind.TIMEOUT, Kind.DISPROVE, Kind.SLASH):
            return self._end(seen, kind, by)
        return f"{by} {self._frame(kind, by)}"

    def _frame(self, kind: Kind, by: str) -> str:
        terms, plot = self._terms, self._plot
        reason = "without a reason" if by in plot.objectors else f"the program ends otherwise when {by} runs it"
        return {
            Kind.CONFIRM: f"moves the deposit of {btc(terms.deposit)} into the vault of all signers",
            Kind.LEAVE: f"announces that a stake or bond leaves: it still answers for {terms.exit_delay:,} blocks",
            Kind.EXIT: "takes back what has left",
            Kind.KICKOFF: f"claims a result of {plot.guest.name} and with it the deposit, to be paid in "
            f"{terms.challenge_delay} blocks unless somebody objects",
            Kind.FAN: "opens a gate for each challenger",
            Kind.CHALLENGE: f"challenges the claim: {reason}",
            Kind.VETO: "blocks the quick payout: the dispute decides",
            Kind.TAKE1: "takes the deposit, bought before with L2 coins: nobody objected",
            Kind.TAKE2: "takes the deposit, bought before with L2 coins: no dispute ended against him",
        }.get(kind, kind.value)

    def _end(self, seen: Confirmed, kind: Kind, by: str) -> str:
        turn = seen.name.partition(".")[2].rpartition("@")[0]
        reward = btc(seen.tx.outputs[0].value)
        if kind is Kind.TIMEOUT:
            waited = f"waited {self._terms.move_delay} blocks for {self._operator} on {turn}"
            return f"{by} {waited}: takes {reward}, the claim is dead"
        if kind is Kind.SLASH:
            loser = seen.name.partition("/")[0]
            return f"{by} takes {reward} from {loser}, whose objection came to nothing on {turn}"
        leaf = find_leaf(self._graph, seen)
        what = self._graph.outputs[self._graph.planned(seen.name).inputs[0].output].path(leaf).leaf.proves
        return f"{by} spends leaf {leaf} ({what}): takes {reward}, the claim is dead"

    def _move(self, challenger: str, move: str) -> str:
        tracked = self._trackers[challenger].track()
        assert tracked is not None
        state, (head, _, tail) = tracked.state, move.partition(".")
        if head in CHAINS:
            return self._in_path(head, tail, state)
        if head == "ask":
            return f"demands a proof of {_ACCESS[tail.removeprefix('map-')]}"
        return self._outside_path(move, head, tail, state)

    def _outside_path(self, move: str, head: str, tail: str, state: GameState) -> str:
        if move in _PICKS:
            return f"says: {_PICKS[move]}"
        if head == "reveal":
            start, size = segment(state.total, state.arities, state.search_choices()[: int(tail)])
            places = state.arities[int(tail)] - 1
            return f"signs the roots at {places} places inside steps {start:,} to {start + size:,}"
        if head == "choose":
            start, size = segment(state.total, state.arities, state.search_choices())
            where = f"steps {start:,} to {start + size:,}" if size > 1 else f"step {start:,}"
            why = "" if int(tail) else "the last root does not follow from the first; "
            return f"says: {why}the first part that ends falsely is {where}"
        if head in ("step", "step_map"):
            shown = state.shown_step()
            assert shown is not None
            return f"signs what step {state.step_index():,} did: {_describe(shown.claim)}"
        if head.startswith("pick_"):
            return f"says: the write of claim leaf {head[-1]} is false"
        return {
            "assert": f"signs the claim, the roots before the first and after the last of {state.total:,} steps and at "
            f"{state.arities[0] - 1} places between",
            "init": "signs the roots after one, two, three leaves of the claim",
        }[head]

    def _in_path(self, chain: str, turn: str, state: GameState) -> str:
        plan = CHAINS[chain].plan
        choices = state.path_choices(plan)
        start = plan.start(choices)
        if turn == "open":
            return f"opens the way from the root to leaf {state.opened_address():#010x}"
        if turn in ("last", "last_top"):
            return f"shows the sibling at depth {start + 1}: one hash is left"
        if turn.startswith("show"):
            return f"shows the nodes at depths {', '.join(map(str, plan.cuts(choices)))}"
        if turn == "cut_top":
            return "says: the way goes wrong right below the root"
        end = start + plan.part_size(len(choices) - 1)
        return f"says: the way goes wrong between depths {start} and {end}"


def _describe(claim: StepClaim) -> str:
    text = disassemble(claim.instruction, claim.before.pc).replace("\t", " ")
    return f"{text} at {claim.before.pc:#010x} with {claim.a:#x}, {claim.b:#x} gives {claim.result:#x}"


def find_leaf(graph: Graph, seen: Confirmed) -> str:
    """Which leaf input 0 of a confirmed transaction spent, by its script."""
    paths = graph.outputs[graph.planned(seen.name).inputs[0].output].paths
    script = seen.tx.inputs[0].witness[-2]
    return next(name for name, path in paths.items() if path.leaf.code == script)

