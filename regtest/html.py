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
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5a5f66; --line: #e2e4e7; --page: #fff; --box: #fff;
        --tile: #f5f6f7; --good: #17713a; --bad: #a11 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #a2a8b0; --line: #34383e; --page: #16181b;
        --box: #202327; --tile: #202327; --good: #6fce92; --bad: #ff8a80 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 2rem auto;
       max-width: 1180px; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
h1::first-letter { text-transform: uppercase }
.lead { font-size: 1.1rem; margin: .4rem 0 1rem } .facts { color: var(--soft) }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0 } .tiles div { background: var(--tile);
       border-radius: 6px; padding: .45rem .9rem; min-width: 6rem } .tiles b { display: block; font-size: 1.15rem;
       font-weight: 600; font-variant-numeric: tabular-nums } .tiles span { color: var(--soft); font-size: .85rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% } th, td { text-align: left;
       padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top } th { color: var(--soft);
       font-weight: 600 } td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
tr.sum td { font-weight: 600; border-top: 2px solid var(--soft) }
code { font-size: .82rem; word-break: break-all } .picture { overflow-x: auto; border: 1px solid var(--line);
       border-radius: 6px; padding: .5rem } details { margin: 0 } summary { cursor: pointer;
       white-space: nowrap } ul { margin: .3rem 0 }
.good { color: var(--good) } .bad { color: var(--bad) } td.bar { width: 30%; vertical-align: middle }
.bar i { display: block; height: .65rem; border-radius: 2px; background: #3b78b5 }
svg text[fill='#222'] { fill: var(--ink) } svg text[fill='#555'], svg text[fill='#666'] { fill: var(--soft) }
svg rect[fill='white'] { fill: var(--box) } svg path[stroke='#eee'], svg path[stroke='#e4e4e4'] { stroke: var(--line) }
.plan { background: #fff; color: #1c1c1c }
@media print { .picture { overflow: visible } }
"""


def render_report(result: Document, transactions: Rows, plan: str | None = None) -> str:
    """The page. `plan` is an SVG of the whole presigned graph. Raises VerificationFailed for files that do not fit."""
    try:
        txs = _parse(result, transactions)
        rows = result["transactions"]
        parts = [
            _head(result),
            _section("What was played", _picture(draw_played(rows, txs))),
            _section("When", _picture(draw_timeline(rows))),
            _section("Costs", _costs(result)),
            _section("Where every satoshi went", _books(result)),
            _section("Transactions", _transactions(rows, transactions, txs)),
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationFailed(f"these files are no result of a story ({error!r}); play it again") from error
    if plan is not None:
        parts.append(_section("All that was signed in advance", f"<details><summary>The plan of a deposit with two "
                              f"challengers</summary>{_picture(plan, 'plan')}</details>"))  # fmt: skip
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
    rows, name = result["transactions"], str(result["story"]).replace("_", " ")
    heights = [row["height"] for row in rows]
    tiles = {
        "outcome": str(result["outcome"]),
        "in whose favour": str(result["winner"]),
        "transactions": f"{len(rows):,}",
        "vbytes": f"{result['total_vbytes']:,}",
        "blocks": f"{max(heights) - min(heights) + 1:,}" if heights else "0",
        "sat to miners": f"{result['books']['fees']:,}",
        "seconds": f"{result['seconds']:,}",
    }
    if result["steps"]:
        tiles |= {"steps claimed": f"{result['steps']:,}", "rounds of search": f"{result['rounds']:,}"}
    boxes = "".join(f"<div><b>{escape(value)}</b><span>{escape(what)}</span></div>" for what, value in tiles.items())
    remarks = "".join(f"<li>{escape(str(text))}</li>" for text in result["remarks"])
    program = f"About the program {result['guest']}. " if result["steps"] else ""
    judged = f"{program}Every transaction was accepted by {result['judge']}."
    return (
        f"<h1>{escape(name)}</h1><p class='lead'>{escape(str(result['verdict']))}</p><ul>{remarks}</ul>"
        f"<div class='tiles'>{boxes}</div><p class='facts'>{escape(judged)}</p>"
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def _picture(svg: str, kind: str = "") -> str:
    return f"<div class='picture {kind}'>{svg}</div>"


def _table(*rows: str) -> str:
    return f"<div class='wide'><table>{''.join(rows)}</table></div>"


def _transactions(rows: Rows, raw: Rows, txs: Mapping[str, Transaction]) -> str:
    """What each is, what it takes of a block, the fee that it pays itself, all its bytes."""
    lines = [_row(("block", "by", "transaction", "what it means", "vB", "inputs", "own fee, sat", "txid, bytes"), "th",
                  (4, 5, 6))]  # fmt: skip
    for row, full in zip(rows, raw, strict=True):
        tx = txs[row["name"]]
        fee = sum(s["value"] for s in full["spends"]) - sum(o.value for o in tx.outputs)
        cells = (str(row["height"]), row["by"], row["name"], row["told"], f"{row['vbytes']:,}", str(len(tx.inputs)),
                 f"{fee:,}")  # fmt: skip
        short = f"{row['txid'][:12]}…"
        more = (f"<td><details><summary><code>{escape(short)}</code></summary><code>{escape(row['txid'])}<br>"
                f"{escape(full['raw'])}</code></details></td>")  # fmt: skip
        lines.append(_row(cells, "td", (4, 5, 6), more=more))
    return _table(*lines)


def _costs(result: Document) -> str:
    """By party: how many transactions, how much of the blocks, what it paid to miners in all."""
    rows, balances = result["transactions"], result["balances"]
    whole = max(1, result["total_vbytes"])
    lines = [_row(("party", "transactions", "vB", "weight", "fees, sat", "share of the vB"), "th", (1, 2, 3, 4))]
    for name, account in balances.items():
        own = [row for row in rows if row["by"] == name]
        size = sum(row["vbytes"] for row in own)
        numbers = (f"{len(own)}", f"{size:,}", f"{sum(row['weight'] for row in own):,}", f"{account['fees']:,}")
        bar = f"<td class='bar'><i style='width:{100 * size / whole:.1f}%'></i></td>"
        lines.append(_row((name, *numbers), "td", (1, 2, 3, 4), more=bar))
    total = (f"{len(rows)}", f"{result['total_vbytes']:,}", f"{sum(row['weight'] for row in rows):,}",
             f"{sum(a['fees'] for a in balances.values()):,}", "")  # fmt: skip
    lines.append(_row(("together", *total), "td", (1, 2, 3, 4), "sum"))
    rest = (f"Fees: also those of children that pay for version 3 moves, and of the payments that locked what stands. "
            f"Miners got {result['books']['fees']:,} sat, anchors included.")  # fmt: skip
    return f"{_table(*lines)}<p class='facts'>{escape(rest)}</p>"


def _books(result: Document) -> str:
    """Every satoshi; the two sums must be equal."""
    balances, books, numbers = result["balances"], result["books"], (1, 2, 3)
    lines = [_row(("", "before", "after", "change"), "th", numbers)]
    for name, a in balances.items():
        lines.append(_row((name, f"{a['before']:,}", f"{a['after']:,}", f"{a['change']:+,}"), "td", numbers))
    for name, key in (("vault", "vault"), ("burned", "burned"), ("miners", "fees"), ("dead outputs", "dead")):
        lines.append(_row((name, "", f"{books[key]:,}", f"{books[key]:+,}"), "td", numbers))
    before = sum(a["before"] for a in balances.values())
    after = sum(a["after"] for a in balances.values()) + sum(books[k] for k in ("vault", "burned", "fees", "dead"))
    lines.append(_row(("sum, sat", f"{before:,}", f"{after:,}", f"{after - before:+,}"), "td", numbers, "sum"))
    word = "<p class='good'>Balanced to the satoshi.</p>" if before == after else "<p class='bad'>NOT BALANCED.</p>"
    return _table(*lines) + word


def _row(cells: Sequence[str], tag: str, numbers: Sequence[int] = (), kind: str = "", more: str = "") -> str:
    """Cells of text, those of `numbers` to the right; `more` is a cell that is markup already."""
    shapes = (" class='n'" if k in numbers else "" for k in range(len(cells)))
    made = "".join(f"<{tag}{shape}>{escape(str(cell))}</{tag}>" for shape, cell in zip(shapes, cells, strict=True))
    return f"<tr class='{kind}'>{made}{more}</tr>"
