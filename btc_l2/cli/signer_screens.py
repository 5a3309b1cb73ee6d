"""What a signer reads: the registered policy, where each satoshi can go, who is missing. Plain text, no colour.

Every line is computed from what will be signed; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from challenger.presign.ceremony.agreement import Messages, Origin, Plan
from challenger.presign.ceremony.course import Course
from challenger.presign.ceremony.registered import Registered
from challenger.presign.review import (
    FREE,
    Freedom,
    Group,
    Holding,
    Way,
    grouped,
    holdings,
    locked_by,
    plain_goal,
    worst_loss,
)
from challenger.spoken import words_of
from taproot.graph import Graph, Kind
from taproot.parties import N_OF_N
from taproot.presigned import ANYONE
from taproot.terms import Terms

WIDTH = 76
_DOES = {
    Kind.REFUND: "takes the deposit back",
    Kind.CONFIRM: "puts the deposit into the vault, the point of no return",
    Kind.LEAVE: "announces to leave",
    Kind.EXIT: "leaves with it",
    Kind.KICKOFF: "claims the deposit",
    Kind.FAN: "opens a gate for each challenger",
    Kind.CHALLENGE: "challenges the claim",
    Kind.VETO: "stops the fast payout",
    Kind.TAKE1: "is paid, nobody having challenged",
    Kind.TAKE2: "is paid, all disputes being over",
    Kind.MOVE: "moves in the dispute",
    Kind.TIMEOUT: "ends the claim of an operator who is silent",
    Kind.DISPROVE: "ends a claim that is shown to be false",
    Kind.SLASH: "is paid by a challenger who lost or is silent",
}


def policy_screen(policy: Registered, name: str | None = None) -> Iterator[str]:
    """Everything that is registered; `name` is the reader."""
    terms = policy.terms
    yield title("policy", policy.digest())
    yield f"network {terms.network}; {len(policy.members)} signers, all of them must sign ({_how(policy)})"
    for member in policy.names:
        roles = ["operator", "challenger"] if member in policy.operators else ["challenger"]
        roles = [r for r in roles if r != "challenger" or any(o != member for o in policy.operators)]
        who = f"{member} (you)" if member == name else member
        yield f"  {who:<20} {' and '.join(roles)}"
        yield f"    key {policy.member(member).party.public_key.hex()}"
        yield f"    identity {policy.member(member).identity.hex()}"
        if (plain := policy.member(member).party.plain_key) is not None:
            yield f"    signs without MuSig2, by key {plain.hex()}"
    yield from _amounts(terms)
    yield from _delays(terms)
    yield f"dispute: search over {terms.steps:,} machine steps in {len(terms.arities)} rounds; {terms.digest}-bit roots"
    for constant, value in sorted(policy.constants.items()):
        yield f"program: {constant} {value.decode() if value.isalpha() else value.hex()}"
    yield from words("compare these words with every other signer by voice", policy.digest())


def _how(policy: Registered) -> str:
    plain = len(policy.n_of_n().plain)
    if not plain:
        return "MuSig2, n-of-n"
    return f"n-of-n; {'nobody' if plain == len(policy.members) else len(policy.members) - plain} with MuSig2"


def _amounts(terms: Terms) -> Iterator[str]:
    yield _row("deposit", terms.deposit)
    for k, stake in enumerate(terms.stakes):
        yield _row(f"stake {k} of each operator", stake)
    yield _row("bond of each challenger, per operator", terms.bond)
    yield _row("kill token of a claim", terms.asset)
    yield _row("burned with a killed claim", terms.asset_burn)
    yield _row("burned with a stake", terms.stake_burn)
    yield _row("penalty of a challenger who loses", terms.penalty)
    yield f"all of it pays for a dispute up to {terms.fee_rate} sat/vB"


def _delays(terms: Terms) -> Iterator[str]:
    yield f"blocks: refund {terms.refund_delay}, fast payout {terms.challenge_delay}, payout after disputes " \
          f"{terms.total_delay}, a move {terms.move_delay}, leaving {terms.exit_delay}"  # fmt: skip


def review_screen(
    plan: Plan, graphs: Mapping[str, Graph], name: str, fee_rate: int, apart: bool = False
) -> Iterator[str]:
    """Every output and every way out of it, per operator; `apart` lists the turns of the games one by one."""
    messages = Messages.of(graphs)
    yield title("deposit", messages.digest())
    depositor = plan.depositor
    yield f"{plan.terms.deposit:,} sat of {depositor.name}; network {plan.terms.network}"
    yield f"at {plan.deposit}"
    if plan.origin is not None:
        yield from _origin_lines(plan.origin)
    yield f"key of {depositor.name}: {depositor.public_key.hex()}"
    yield f"you are {name}; you would sign {len(messages.rest) + len(messages.confirm):,} messages"
    yield f"costs are at {fee_rate} sat/vB, with the largest script that a way allows"
    for operator, graph in graphs.items():
        yield ""
        yield from _graph_screen(operator, graph, name, fee_rate, apart)
    yield ""
    yield from words("compare these words with every other signer before anybody signs", messages.digest())


def _origin_lines(origin: Origin) -> Iterator[str]:
    yield f"it is what the move of the vault of {origin.deposit}"
    yield f"leaves, with {', '.join(origin.seen.sources)} of {origin.operator}'s graph; your own bundles say the same"
    yield "nobody has the depositor's key; nothing moves before all have signed the move, after these graphs"


def _graph_screen(operator: str, graph: Graph, name: str, fee_rate: int, apart: bool) -> Iterator[str]:
    yield f"== if {operator} claims the deposit ".ljust(WIDTH, "=")
    for party, outputs in locked_by(graph).items():
        parts = ", ".join(f"{output} {value:,}" for output, value in outputs.items())
        yield f"{'you lock' if party == name else party + ' locks'} {sum(outputs.values()):,} sat: {parts}"
    told = holdings(graph)
    yield from _loss(graph, told, name, fee_rate)
    for group in grouped(told, apart):
        yield ""
        yield from _group_screen(group, graph, fee_rate)


def _loss(graph: Graph, told: Sequence[Holding], name: str, fee_rate: int) -> Iterator[str]:
    worst, by = worst_loss(graph, name)
    if by is None:
        yield "you can lose nothing here but the fees of what you send yourself"
        return
    kind = graph.planned(by).kind
    who = graph.planned(by).by
    yield f"YOU CAN LOSE {worst:,} sat: {who} {_DOES[kind]} ({by}); besides, the fees of what you send"
    fees = sum(_own_moves(graph, told, name)) * fee_rate
    yield f"playing one dispute to its end costs you {fees:,} sat of fees at most"


def _own_moves(graph: Graph, told: Sequence[Holding], name: str) -> Iterator[int]:
    """As many of his heaviest moves as the terms allow him in one game (vbytes): no branch costs more."""
    terms = graph.contract.terms
    moves = [way.vbytes for h in told for way in h.ways if way.kind is Kind.MOVE and way.by == name]
    count = terms.operator_moves if graph.contract.parties.operator.name == name else terms.challenger_moves
    yield from sorted(moves, reverse=True)[:count]


def _group_screen(group: Group, graph: Graph, fee_rate: int) -> Iterator[str]:
    low, high = group.values
    names = [h.name for h in group.holdings]
    label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} turns like it"
    value = f"{high:,} sat" if low == high else f"{low:,} to {high:,} sat"
    yield f"{label:<{WIDTH - len(value)}}{value}"
    for alike in group.ways:
        yield from _way_lines(alike, fee_rate)
    for freedom in group.holdings[0].free_to:
        yield f"  {_freedom(freedom, graph)}"


def _way_lines(alike: Sequence[Way], fee_rate: int) -> Iterator[str]:
    way = alike[0]
    who = "anybody with the bundle" if way.by == ANYONE else way.by
    count = f" ({len(alike)} such transactions)" if len(alike) > 1 else f" ({way.name})"
    yield f"  {who}, {_when(way)}: {_DOES[way.kind]}{count}"
    beside = sorted({name if "/" not in name else "the turn" for w in alike for name, _ in w.beside})
    if beside:
        yield f"      together with {', '.join(beside)}"
    for k, goal in enumerate(way.goals):
        values = [w.goals[k].value for w in alike]
        where = f"any address {way.by} chooses" if goal.where == FREE else plain_goal(goal)
        yield f"      {_range(min(values), max(values)):>27} sat → {where}"
    cost = max(w.vbytes for w in alike) * fee_rate
    yield f"      {f'{cost:,}':>27} sat fee at most, {'out of it' if way.free else 'paid by who sends it'}"


def _when(way: Way) -> str:
    waits = [f"{way.after} blocks after it confirmed"] if way.after else []
    waits += [f"{d} blocks after {'the turn' if '/' in name else name} confirmed" for name, d in way.beside if d]
    return " and ".join(waits) or "at any time"


def _freedom(freedom: Freedom, graph: Graph) -> str:
    count = len(graph.contract.parties.cosigners)
    who = f"all {count} signers together" if freedom.party == N_OF_N else f"{freedom.party} alone"
    when = f"{freedom.after} blocks after it confirmed" if freedom.after else "at any time"
    return f"{who}, {when}{', with a proof' if freedom.proof else ''}: anywhere else"


def status_lines(ceremony: Course) -> Iterator[tuple[str, str]]:
    """One ceremony in a few words."""
    missing = ceremony.missing()
    yield "ceremony", ceremony.proposed.ceremony.hex()
    yield "kind", ceremony.kind
    yield "deposit", str(ceremony.deposit)
    yield "agreed", "yes" if ceremony.has_agreed() else "no"
    if missing is None:
        yield "missing", "nothing; run `btc-l2 signer combine`"
    else:
        round_, attempt, names = missing
        yield "round", f"{round_.value}" + (f", attempt {attempt}" if attempt else "")
        yield "missing", ", ".join(names)


def words_line(digest: bytes) -> str:
    """The eight words."""
    return " ".join(words_of(digest))


def words(why: str, digest: bytes) -> Iterator[str]:
    """The eight words, and what they are for."""
    yield f"{why}:"
    yield f"    {words_line(digest)}"


def title(what: str, digest: bytes) -> str:
    """The first line of a screen, with the digits that `--accept` takes."""
    return f"== {what} {digest.hex()[:16]} ".ljust(WIDTH, "=")


def _row(what: str, value: int) -> str:
    return f"{what:<40}{value:>15,} sat"


def _range(low: int, high: int) -> str:
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"
