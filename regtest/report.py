"""The result of a story: one document for programs, a text for people, its transactions for another validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regtest.narrative import btc
from regtest.outcome import Outcome
from regtest.party import DEPOSITOR, OPERATOR
from regtest.story import Sent

Document = dict[str, Any]


def describe(story: str, outcome: Outcome, judge: str) -> Document:
    """All of the result as JSON values: satoshis, blocks and steps as integers, txids in display order."""
    books, plot = outcome.books, outcome.plot
    return {
        "story": story,
        "verdict": outcome.verdict,
        "remarks": list(outcome.remarks),
        "outcome": outcome.outcome,
        "winner": outcome.winner,
        "judge": judge,
        "guest": plot.guest.name,
        "lie": plot.lie,
        "steps": outcome.steps,
        "claimed_steps": plot.terms.steps,
        "rounds": len(plot.terms.arities),
        "arities": list(plot.terms.arities),
        "first_false_step": outcome.first_false_step,
        "leaf": outcome.leaf,
        "transactions": [_row(sent) for sent in outcome.sent],
        "total_vbytes": sum(s.tx.vbytes for s in outcome.sent),
        "balances": {
            name: {"before": a.before, "after": a.after, "change": a.change, "fees": a.fees}
            for name, a in books.accounts.items()
        },
        "books": {"fees": books.fees, "burned": books.burned, "vault": books.vault, "dead": books.dead},
        "deposit": int(plot.terms.deposit),
        "seconds": round(outcome.seconds, 2),
    }


def transactions_of(outcome: Outcome) -> list[Document]:
    """Every transaction, raw, with the outputs that it spends: enough for another validator."""
    return [
        {
            "name": s.name,
            "txid": s.tx.txid_hex,
            "raw": s.tx.serialize().hex(),
            "spends": [
                {"value": o.value, "script_pubkey": o.script_pubkey.hex()} for o in outcome.prevouts[s.tx.txid]
            ],
        }
        for s in outcome.sent
    ]


def tell(document: Mapping[str, Any]) -> str:
    """The result for a person."""
    rows = document["transactions"]
    lines = ["", "block      vbytes  by       transaction"]
    lines += [f"{r['height']:>5}  {r['vbytes']:>10,}  {r['by']:<8} {r['name']}" for r in rows]
    lines += ["", f"{document['outcome'].upper()}: {document['verdict']}", ""]
    lines += [_account(name, row, document) for name, row in document["balances"].items()]
    books = document["books"]
    if books["vault"]:
        lines.append(f"{'vault':<8} {_signed(books['vault'])}  the deposit did not move; all signers decide about it")
    lines += [
        f"{'burned':<8} {_signed(books['burned'])}",
        f"{'miners':<8} {_signed(books['fees'])}",
        f"{'dead':<8} {_signed(books['dead'])}  outputs that nobody will spend",
        "",
        f"{_run(document)}{len(rows)} transactions, {document['total_vbytes']:,} vbytes, each accepted by "
        f"{document['judge']}; {document['seconds']} s",
    ]
    return "\n".join(lines)


def _row(sent: Sent) -> Document:
    return {
        "name": sent.name,
        "txid": sent.tx.txid_hex,
        "vbytes": sent.tx.vbytes,
        "weight": sent.tx.weight,
        "height": sent.height,
        "by": sent.by,
        "told": sent.told,
    }


def _run(document: Mapping[str, Any]) -> str:
    """What was claimed, if anything was."""
    if not document["steps"]:
        return ""
    return f"{document['guest']}: {document['steps']:,} steps, {document['rounds']} rounds of search; "


def _account(name: str, row: Mapping[str, int], document: Mapping[str, Any]) -> str:
    return f"{name:<8} {_signed(row['change'])}  {_meaning(name, row, document)}"


def _signed(sats: int) -> str:
    return f"{sats:>+13,} sat"


def _meaning(name: str, row: Mapping[str, int], document: Mapping[str, Any]) -> str:
    """Why a balance changed, in words."""
    fees = f"{row['fees']:,} sat of fees"
    if not row["change"]:
        return "did nothing on chain"
    if document["outcome"] == "swapped":
        return f"{'user: sold' if name == DEPOSITOR else 'operator: bought'} L2 coins; {fees}"
    if name == DEPOSITOR:
        return _depositor(row, document, fees)
    if name == OPERATOR:
        return _operator(row, document, fees)
    if row["change"] > 0:
        return f"challenger: part of the operator's stake; {fees}"
    if row["change"] < -row["fees"]:
        return f"challenger: lost the penalty for a challenge that came to nothing; {fees}"
    return fees


def _depositor(row: Mapping[str, int], document: Mapping[str, Any], fees: str) -> str:
    if document["outcome"] in ("refunded", "cancelled"):
        return f"depositor: has the deposit of {btc(document['deposit'])} back; {fees}"
    paid = btc(-row["change"] - row["fees"])
    return f"depositor: paid in {paid}, holds as many coins on L2; {fees}"


def _operator(row: Mapping[str, int], document: Mapping[str, Any], fees: str) -> str:
    if document["outcome"] in ("refunded", "cancelled"):
        return f"operator: claimed nothing; {fees}"
    if document["outcome"] != "paid":
        paid = "; another claim was paid" if row["change"] > 0 else ", the deposit stays where it is"
        return f"operator: lost stake and ticket{paid}; {fees}"
    profit = row["change"] - document["deposit"]
    bought = f"operator: {btc(document['deposit'])} is the deposit, bought with as many L2 coins"
    return f"{bought}; beside it {profit:+,} sat, {fees}"
