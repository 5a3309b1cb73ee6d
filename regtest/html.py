"""A story's result as one HTML page that needs nothing else: graph, timeline, costs, books, every transaction.

Made from `result.json` and `transactions.json` alone. Pictures are inline SVG, there is no script, and whatever comes
from a file is escaped: a page opens offline, and a result from a stranger cannot do anything in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from regtest.pictures import draw_played, draw_timeline
from taproot.errors import VerificationFailed
from taproot.tx import Transaction

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

_STYLE = """
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto; max-width: 1180px;
       padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.lead { font-size: 1.1rem; margin: .4rem 0 1rem } .facts { color: #555 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .6rem;
       border-bottom: 1px solid #e4e4e4; vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap;
       font-variant-numeric: tabular-nums } tr.sum td { font-weight: 600; border-top: 2px solid #999 }
code { font-size: .82rem; word-break: break-all } .picture { overflow-x: auto; border: 1px solid #e4e4e4;
       padding: .5rem } details { margin: .3rem 0 } ul { margin: .3rem 0 } .good { color: #17713a } .bad { color: #a11 }
@media print { .picture { overflow: visible } }
"""


def render_report(result: Document, transactions: Rows, plan: str | None = None) -> str:
    """The page. `plan` is an SVG of the whole presigned graph. Raises VerificationFailed for files that do not fit."""
    try:
        txs = _parse(result, transactions)
        parts = [
            _head(result),
            _section("What was played", _picture(draw_played(result["transactions"], txs))),
            _section("When", _picture(draw_timeline(result["transactions"]))),
            _section("Transactions", _transactions(result["transactions"], transactions)),
            _section("Costs", _costs(result, transactions, txs)),
            _section("Books", _books(result)),
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationFailed(f"these files are no result of a story ({error!r}); play it again") from error
    if plan is not None:
        parts.append(_section("All that was signed in advance", f"<details><summary>The plan of a deposit with two "
                              f"challengers</summary>{_picture(plan)}</details>"))  # fmt: skip
    title = escape(str(result["story"]))
    return (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _parse(result: Document, transactions: Rows) -> dict[str, Transaction]:
    """By name; the two files must be about the same transactions."""
    txs = {row["name"]: Transaction.from_bytes(bytes.fromhex(row["raw"])) for row in transactions}
    told = [(row["name"], row["txid"]) for row in result["transactions"]]
    if told != [(row["name"], txs[row["name"]].txid_hex) for row in transactions]:
        raise ValueError("result.json and transactions.json differ")
    return txs


def _head(result: Document) -> str:
    name = str(result["story"]).replace("_", " ")
    lead = result.get("verdict") or f"{result['outcome']}: {result['winner']} wins"
    facts = (
        f"{result['guest']}, {result['steps']:,} steps, {result['rounds']} rounds of search; "
        f"{len(result['transactions'])} transactions, {result['total_vbytes']:,} vB; judged by {result['judge']}; "
        f"{result['seconds']} s"
    )
    remarks = "".join(f"<li>{escape(str(text))}</li>" for text in result.get("remarks", ()))
    return (
        f"<h1>{escape(name)}</h1><p class='lead'>{escape(str(lead))}</p><p class='facts'>{escape(facts)}</p>"
        f"<ul>{remarks}</ul>"
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def _picture(svg: str) -> str:
    return f"<div class='picture'>{svg}</div>"


def _transactions(rows: Rows, raw: Rows) -> str:
    cells = []
    for row, full in zip(rows, raw, strict=True):
        name, bytes_ = escape(row["txid"]), escape(full["raw"])
        more = f"<details><summary><code>{name}</code></summary><code>{bytes_}</code></details>"
        cells.append((str(row["height"]), row["by"], row["name"], row["told"], more))
    head = _row(("block", "by", "transaction", "what it means", "txid and bytes"), "th")
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in cell[:4]) + f"<td>{cell[4]}</td></tr>" for cell in cells
    )
    return f"<table>{head}{body}</table>"


def _costs(result: Document, raw: Rows, txs: Mapping[str, Transaction]) -> str:
    """What each transaction takes of a block, and the fee that it pays itself; its child pays the rest."""
    lines = [_row(("transaction", "by", "vB", "weight", "inputs", "fee it pays, sat"), "th", 2)]
    whole = 0
    for row, full in zip(result["transactions"], raw, strict=True):
        tx = txs[row["name"]]
        fee = sum(s["value"] for s in full["spends"]) - sum(o.value for o in tx.outputs)
        whole += fee
        numbers = (f"{row['vbytes']:,}", f"{row['weight']:,}", str(len(tx.inputs)), f"{fee:,}")
        lines.append(_row((row["name"], row["by"], *numbers), "td", 2))
    total = (f"{result['total_vbytes']:,}", f"{sum(r['weight'] for r in result['transactions']):,}", "", f"{whole:,}")
    lines.append(_row(("together", "", *total), "td", 2, "sum"))
    by: dict[str, int] = {}
    for row in result["transactions"]:
        by[row["by"]] = by.get(row["by"], 0) + row["vbytes"]
    shares = ", ".join(f"{name} {size:,} vB" for name, size in sorted(by.items(), key=lambda x: -x[1]))
    fees = result["books"]["fees"]
    rest = "children that pay for version 3 moves, and payments that locked the standing outputs, are in that sum"
    words = escape(f"{shares}. Miners got {fees:,} sat in all: {rest}.")
    return f"<table>{''.join(lines)}</table><p class='facts'>{words}</p>"


def _books(result: Document) -> str:
    """Every satoshi; the two sums must be equal."""
    balances, books = result["balances"], result["books"]
    head = _row(("", "before", "after", "change", "of it fees"), "th", 1)
    lines = [
        _row((name, f"{a['before']:,}", f"{a['after']:,}", f"{a['change']:+,}", f"{a['fees']:,}"), "td", 1)
        for name, a in balances.items()
    ]
    for name, key in (("vault", "vault"), ("burned", "burned"), ("miners", "fees"), ("dead outputs", "dead")):
        lines.append(_row((name, "", f"{books[key]:,}", "", ""), "td", 1))
    before = sum(a["before"] for a in balances.values())
    after = sum(a["after"] for a in balances.values()) + sum(books[k] for k in ("vault", "burned", "fees", "dead"))
    lines.append(_row(("sum", f"{before:,}", f"{after:,}", f"{after - before:+,}", ""), "td", 1, "sum"))
    word = "<p class='good'>Balanced to the satoshi.</p>" if before == after else "<p class='bad'>NOT BALANCED.</p>"
    return f"<table>{head}{''.join(lines)}</table>{word}"


def _row(cells: Sequence[str], tag: str, text_columns: int = 5, kind: str = "") -> str:
    """The first columns hold text, the others numbers."""
    shapes = ("" if k < text_columns else " class='n'" for k in range(len(cells)))
    made = "".join(f"<{tag}{shape}>{escape(str(cell))}</{tag}>" for shape, cell in zip(shapes, cells, strict=True))
    return f"<tr class='{kind}'>{made}</tr>"
