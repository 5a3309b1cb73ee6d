"""Coins for tests and demos on regtest: block rewards, mined to a pay-to-anchor script that anybody may spend.

Nothing needs a key or a wallet, and both back ends work alike. The reward halves every 150 blocks on regtest, so the
faucet takes the largest mature coins first and returns the change to itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from btc_l2.chain.protocol import COINBASE_MATURITY, Chain, Coin
from taproot.errors import Refused, Unavailable
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut
from taproot.units import COIN, Sats

FEE_RATE = 2  # sat/vB
SMALLEST_COIN = COIN // 100  # below, it may be the anchor of somebody's transaction
MAX_COINS = 400  # inputs of one faucet transaction
EXTRA_BLOCKS = 10  # each matures one more reward
MOST_EXTRA_BLOCKS = 300


def fund(chain: Chain, script_pubkey: bytes, value: int) -> OutPoint:
    """A confirmed output of `value` sat with this script."""
    return fund_all(chain, [TxOut(Sats(value), script_pubkey)])[0]


def fund_all(chain: Chain, outputs: Sequence[TxOut]) -> tuple[OutPoint, ...]:
    """Confirmed outputs, all in one transaction. Mines one block, before that as many as it takes for rewards.

    Raises Refused off regtest, Unavailable if the rewards do not suffice.
    """
    if chain.network != "regtest":
        raise Refused(f"the faucet works on regtest only, not on {chain.network}")
    tx = build_funding(_mature_coins(chain, sum(o.value for o in outputs)), outputs)
    chain.broadcast(tx)
    chain.mine()
    return tuple(tx.outpoint(vout) for vout in range(len(outputs)))


def build_funding(coins: Sequence[Coin], outputs: Sequence[TxOut]) -> Transaction:
    """Spend the largest of `coins` (pay-to-anchor) for `outputs`; what is left goes back after the fee."""
    wanted = sum(o.value for o in outputs)
    chosen: list[Coin] = []
    for coin in sorted(coins, key=lambda c: (-c.output.value, c.height, c.outpoint))[:MAX_COINS]:
        chosen.append(coin)
        tx = _with_change(chosen, outputs, wanted)
        if tx is not None:
            return tx
    have = sum(c.output.value for c in chosen)
    raise Unavailable(f"the faucet has {have} sat, {wanted} are wanted: start a new regtest chain or ask for less")


def _with_change(coins: Sequence[Coin], outputs: Sequence[TxOut], wanted: int) -> Transaction | None:
    inputs = tuple(TxIn(coin.outpoint) for coin in coins)
    draft = Transaction(2, inputs, (*outputs, TxOut(Sats(0), P2A_SCRIPT)))
    change = sum(c.output.value for c in coins) - wanted - draft.vbytes * FEE_RATE
    if change < SMALLEST_COIN:
        return None
    return Transaction(2, inputs, (*outputs, TxOut(Sats(change), P2A_SCRIPT)))


def _mature_coins(chain: Chain, wanted: int) -> list[Coin]:
    """Mature rewards worth more than `wanted`, after mining as many blocks as that takes (within limits)."""
    coins = _usable(chain)
    if not coins:
        chain.mine(COINBASE_MATURITY + 1)
        coins = _usable(chain)
    for _ in range(MOST_EXTRA_BLOCKS // EXTRA_BLOCKS):
        if sum(c.output.value for c in coins) > wanted + SMALLEST_COIN:
            break
        chain.mine(EXTRA_BLOCKS)
        coins = _usable(chain)
    return coins


def _usable(chain: Chain) -> list[Coin]:
    height = chain.tip().height
    taken = {i.prevout for tx in chain.mempool() for i in tx.inputs}
    coins = chain.find_coins(P2A_SCRIPT)
    return [c for c in coins if c.output.value >= SMALLEST_COIN and c.is_mature(height) and c.outpoint not in taken]
