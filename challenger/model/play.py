"""A play: who is honest, what he wants to have confirmed in each state, and what must never happen to him.

Everything else is done by one adversary who holds all other keys, the order inside blocks, and the time: he may let
any transaction confirm late, one that an honest party sends by at most `reaction` blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from challenger.model.reduce import is_turn
from challenger.model.system import EXITED, System, Tx
from taproot.connectors.stake import bond_name, leaving_name
from taproot.presigned import Kind
from taproot.terms import Terms

START = "start"  # clock that begins with the play
OWED = "owed."  # mark: this challenger was paid against, and has not paid his penalty yet
STOOD = "stood."  # mark: this stake stood, not yet leaving, when the claim was made
TAKES = (Kind.TAKE1, Kind.TAKE2)
Outputs = frozenset[str]


@dataclass(frozen=True, slots=True)
class State:
    """The unspent outputs, and what must be remembered of the outputs that are gone."""

    outputs: Outputs
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Want:
    """Transactions one of which the honest party has sent as soon as it may confirm.

    One of them confirms within `patience` blocks after the last thing happened that it waited for: an input's age, or
    one of the clocks in `since`.
    """

    txs: tuple[Tx, ...]
    patience: int
    since: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Play:
    """The rules of one play. `judge` says what is wrong with a transaction in a state (empty: nothing)."""

    name: str
    system: System
    honest: frozenset[str]
    start: State
    wants: Callable[[State], list[Want]]
    is_goal: Callable[[State], bool]
    judge: Callable[[State, Tx], str]
    kinds: frozenset[Kind]  # what the honest party may want
    liars: frozenset[str] = frozenset()  # challengers who can always open something false

    def adversary_plays(self, tx: Tx, wanted: frozenset[str]) -> bool:
        """Whether the adversary can make it. `wanted`: outputs that an honest transaction waits to spend."""
        if tx.live & self.honest or (tx.needs_lie and not tx.live & self.liars):
            return False
        return tx.secret_of not in self.honest or (tx.kind is None and tx.needs[0].output in wanted)


@dataclass(frozen=True, slots=True)
class Table:
    """Names and constants of a graph that plays need."""

    system: System
    terms: Terms
    operator: str
    depositor: str
    challengers: tuple[str, ...]

    def turn(self, state: State, challenger: str) -> str | None:
        """The turn at which the challenger's game stands."""
        return next((o for o in state.outputs if o.startswith(f"{challenger}/")), None)

    def spenders(self, state: State, output: str, *kinds: Kind) -> tuple[Tx, ...]:
        """Transactions of these kinds that spend an output together with others that are all unspent."""
        found = self.system.spenders.get(output, ())
        return tuple(tx for tx in found if tx.kind in kinds and state.outputs.issuperset(tx.spends))

    def is_operators(self, turn: str) -> bool:
        """Whether the operator moves on that turn."""
        found = self.system.spenders.get(turn, ())
        return any(tx.kind is Kind.TIMEOUT or (tx.kind is Kind.MOVE and tx.by == self.operator) for tx in found)

    def want(self, txs: Iterable[Tx], patience: int = 0, since: Iterable[str] = ()) -> list[Want]:
        """One want, none for no transactions."""
        found = tuple(txs)
        return [Want(found, patience or self.terms.reaction, tuple(since))] if found else []


def claim_start(table: Table) -> State:
    """The deposit is in the vault; no claim was made."""
    return State((table.system.first - {"deposit"}) | {"vault", START})


def honest_operator(name: str, table: Table) -> Play:
    """A true claim: he is paid, nobody kills it, and who challenged him in vain pays."""
    honest = frozenset({table.operator})

    def wants(state: State) -> list[Want]:
        if "ticket" in state.outputs:
            return table.want(table.spenders(state, "ticket", Kind.KICKOFF), since=[START])
        found = [w for j in table.challengers for w in _answers(table, state, j)]
        if "asset" in state.outputs:
            kinds = (Kind.TAKE1,) if "unchallenged" in state.outputs else (Kind.TAKE2,)
            found += table.want(table.spenders(state, "asset", *kinds))
        return found

    def is_goal(state: State) -> bool:
        return "vault" not in state.outputs and not any(mark.startswith(OWED) for mark in state.marks)

    kinds = frozenset({Kind.KICKOFF, Kind.MOVE, Kind.TAKE1, Kind.TAKE2, Kind.SLASH})
    return Play(name, table.system, honest, claim_start(table), wants, is_goal, _operator_judge(table), kinds)


def _answers(table: Table, state: State, challenger: str) -> list[Want]:
    """The operator's moves while the claim stands; after take2 as long as the challenger owes him a penalty."""
    turn = table.turn(state, challenger)
    if turn is None or ("asset" not in state.outputs and OWED + challenger not in state.marks):
        return []
    if table.is_operators(turn):
        return table.want(table.spenders(state, turn, Kind.MOVE))
    return table.want(table.spenders(state, turn, Kind.SLASH)[:1]) if "asset" not in state.outputs else []


def _operator_judge(table: Table) -> Callable[[State, Tx], str]:
    owners = {leaving_name(bond_name(j)): j for j in table.challengers}

    def judge(state: State, tx: Tx) -> str:
        if tx.kind in (Kind.TIMEOUT, Kind.DISPROVE):
            return "a true claim is killed"
        freed = [owners[o] for o in tx.spends if o in owners and tx.kind in (Kind.EXIT, None)]
        if any(OWED + j in state.marks or ("asset" in state.outputs and table.turn(state, j)) for j in freed):
            return "a challenger has his bond back before his game is over"
        if tx.kind is None and not freed and _matters(state, tx):
            return "coins of the claim or of a game are led elsewhere"
        return ""

    return judge


def _matters(state: State, tx: Tx) -> bool:
    """Whether the claim still stands, or the games that it spends still owe a penalty."""
    owing = [OWED + o.partition("/")[0] in state.marks for o in tx.spends if is_turn(o)]
    return "asset" in state.outputs or "ticket" in state.outputs or any(owing) or not owing


def honest_challenger(name: str, table: Table, me: str) -> Play:
    """A false claim: it is killed with a stake, whoever else plays; the deposit stays, the bond stays.

    The claim may be made before the deposit is in the vault.
    """

    def wants(state: State) -> list[Want]:
        if "asset" not in state.outputs:
            return []
        if "fan" in state.outputs:
            return table.want(table.spenders(state, "fan", Kind.FAN))
        if f"gate.{me}" in state.outputs:
            return table.want(table.spenders(state, f"gate.{me}", Kind.CHALLENGE))
        veto = table.want(table.spenders(state, f"token.{me}", Kind.VETO))
        return [*veto, *_objections(table, state, me)]

    kinds = frozenset({Kind.FAN, Kind.CHALLENGE, Kind.VETO, Kind.MOVE, Kind.TIMEOUT, Kind.DISPROVE})
    others = frozenset(table.challengers) - {me}
    return Play(
        name, table.system, frozenset({me}), State(table.system.first | {START}), wants,
        lambda state: "asset" not in state.outputs, _challenger_judge(table, me), kinds, others,
    )  # fmt: skip


def _objections(table: Table, state: State, me: str) -> list[Want]:
    turn = table.turn(state, me)
    if turn is None:
        return []
    since = [o for o in state.outputs if o.startswith(f"{EXITED}stake")]
    if table.is_operators(turn):
        return table.want(table.spenders(state, turn, Kind.TIMEOUT)[:1], since=since)
    kills = table.spenders(state, turn, Kind.DISPROVE)[:1]
    return table.want((*table.spenders(state, turn, Kind.MOVE), *kills), since=since if kills else ())


def _challenger_judge(table: Table, me: str) -> Callable[[State, Tx], str]:
    mine = {bond_name(me), f"gate.{me}", f"token.{me}"}
    claim = {"asset", "unchallenged", "fan", *mine}
    pool = {s for k in range(len(table.terms.stakes)) for s in (f"stake{k}", f"stake{k}.leaving")}

    def judge(state: State, tx: Tx) -> str:
        if "vault" in tx.spends:
            return "the deposit moves by a false claim"
        if bond_name(me) in tx.spends:
            return "an honest challenger loses the bond"
        touched = [o for o in tx.spends if o in claim or o.startswith(f"{me}/")]
        if tx.kind is None and "asset" in state.outputs and touched:
            return "coins of the claim or of the game are led elsewhere"
        kills = tx.kind in (Kind.TIMEOUT, Kind.DISPROVE) and tx.by == me
        if kills and pool & state.outputs and not pool.intersection(tx.spends):
            return "a false claim is killed and the stake survives"
        if tx.kind is Kind.EXIT and "asset" in state.outputs and STOOD + tx.spends[0] in state.marks:
            return "the operator has his stake back before the dispute is over"
        return ""

    return judge


def idle_challenger(name: str, table: Table, me: str) -> Play:
    """A challenger who has nothing to object keeps the bond, whatever the others do."""

    def judge(state: State, tx: Tx) -> str:
        return "a challenger who did nothing loses the bond" if bond_name(me) in tx.spends else ""

    everybody_else = frozenset(table.challengers) - {me}
    return Play(
        name, table.system, frozenset({me}), claim_start(table), lambda _: [], lambda _: True, judge, frozenset(),
        everybody_else,
    )  # fmt: skip


def honest_depositor(name: str, table: Table) -> Play:
    """The deposit goes to the vault or back to him, whatever the others sign."""

    def wants(state: State) -> list[Want]:
        return table.want(table.spenders(state, "deposit", Kind.REFUND))

    def judge(state: State, tx: Tx) -> str:
        return "the deposit is led elsewhere" if tx.kind is None else ""

    start = State(frozenset({"deposit"}))
    honest = frozenset({table.depositor})
    return Play(name, table.system, honest, start, wants, _left("deposit"), judge, frozenset({Kind.REFUND}))


def honest_signers(name: str, table: Table) -> Play:
    """What the signers credit stays in the vault: no refund races `confirm`, and none is left after it."""

    def wants(state: State) -> list[Want]:
        return table.want(table.spenders(state, "deposit", Kind.CONFIRM), 2 * table.terms.reaction)

    def judge(state: State, tx: Tx) -> str:
        if "vault" in tx.spends and tx.kind not in TAKES:
            return "a credited deposit leaves the vault"
        if "deposit" in tx.spends and tx.kind is not Kind.CONFIRM:
            return "a refund races the confirmation"
        return ""

    start = State(frozenset({"deposit"}))
    return Play(name, table.system, frozenset(), start, wants, _left("deposit"), judge, frozenset({Kind.CONFIRM}))


def leaving_owner(name: str, table: Table, standing: str, owner: str) -> Play:
    """Who announces that he leaves has his stake or bond back."""

    def wants(state: State) -> list[Want]:
        leave = table.want(table.spenders(state, standing, Kind.LEAVE), since=[START])
        return leave or table.want(table.spenders(state, leaving_name(standing), Kind.EXIT))

    def judge(state: State, tx: Tx) -> str:
        return "" if tx.kind in (Kind.LEAVE, Kind.EXIT) else "the coins of an owner who leaves are led elsewhere"

    start = State(frozenset({standing, START}))
    is_goal, kinds = _left(standing, leaving_name(standing)), frozenset({Kind.LEAVE, Kind.EXIT})
    return Play(name, table.system, frozenset({owner}), start, wants, is_goal, judge, kinds)


def _left(*outputs: str) -> Callable[[State], bool]:
    return lambda state: not state.outputs.intersection(outputs)


def marks_after(state: State, tx: Tx, challengers: Iterable[str]) -> frozenset[str]:
    """Which stakes stood at kickoff; who owes a penalty: all with an open game at take2, until they are slashed."""
    if tx.kind is Kind.KICKOFF:
        return state.marks | {STOOD + leaving_name(o) for o in state.outputs if o.startswith("stake") and "." not in o}
    if tx.kind is Kind.TAKE2:
        return state.marks | {OWED + j for j in challengers if any(o.startswith(f"{j}/") for o in state.outputs)}
    if tx.kind is Kind.SLASH:
        return state.marks - {OWED + o.partition("/")[0] for o in tx.spends if is_turn(o)}
    return state.marks
