"""One suite for every `Chain`: what holds in the embedded chain holds on bitcoind."""

from __future__ import annotations

import pytest

from btc_l2.chain.block import Block, compute_subsidy
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund, fund_all
from btc_l2.chain.protocol import Chain, Rejected
from regtest.node.bitcoind import find_bitcoind, find_version
from taproot.errors import InvalidInput
from taproot.tx import P2A_SCRIPT, OutPoint, Transaction, TxIn, TxOut, op_return_script
from tests.chain.conftest import Backend
from tests.chain.spends import EQUAL, OP_TRUE, anchor, bump, lock_coins, pay

CSV_5 = b"\x55\xb2\x75" + OP_TRUE  # five blocks after the output


def refuse(chain: Chain, tx: Transaction) -> Rejected:
    """The refusal of `tx`, which leaves the mempool as it was; a dry run says the same."""
    before = chain.mempool()
    with pytest.raises(Rejected) as dry:
        chain.check(tx)
    with pytest.raises(Rejected) as refused:
        chain.broadcast(tx)
    assert dry.value.reason == refused.value.reason
    assert chain.mempool() == before
    return refused.value


def test_mining_extends_the_chain_by_blocks_that_parse_back_to_themselves(chain: Chain) -> None:
    assert chain.tip().height == 0
    hashes = chain.mine(3)
    tip = chain.tip()
    assert (tip.height, tip.hash) == (3, hashes[-1])
    block = chain.block(2)
    assert block == chain.block(hashes[1])
    assert block.previous == hashes[0] == chain.block(1).hash
    assert Block.from_bytes(block.serialize(), 2) == block
    assert block.transactions[0].outputs[0] == TxOut(compute_subsidy(2), P2A_SCRIPT)


def test_a_block_that_is_not_there_is_invalid_input(chain: Chain) -> None:
    for missing in (7, bytes(32)):
        with pytest.raises(InvalidInput, match="no block"):
            chain.block(missing)


def test_the_faucet_gives_confirmed_coins_of_exactly_the_value(chain: Chain) -> None:
    outputs = [pay(100_000), pay(5_000_000_000 * 3), pay(330)]
    outpoints = fund_all(chain, outputs)
    for outpoint, output in zip(outpoints, outputs, strict=True):
        coin = chain.utxo(outpoint)
        assert coin is not None
        assert (coin.output, coin.height, coin.is_coinbase) == (output, chain.tip().height, False)
    assert {coin.outpoint for coin in chain.find_coins(outputs[0].script_pubkey)} == set(outpoints)


def test_a_transaction_goes_from_mempool_to_block_with_its_witness(chain: Chain) -> None:
    lock = lock_coins(chain, EQUAL)
    tx = lock.spend(b"same", b"same")
    chain.check(tx)
    assert chain.mempool() == ()
    chain.broadcast(tx)
    assert chain.mempool() == (tx,)
    assert chain.find_transaction(tx.txid) == tx
    assert chain.find_spend(lock.outpoint) is None
    assert chain.confirmations(tx.txid) == 0
    chain.mine()
    spend = chain.find_spend(lock.outpoint)
    assert spend is not None
    assert (spend.tx, spend.input_index, spend.height) == (tx, 0, chain.tip().height)
    assert chain.utxo(lock.outpoint) is None
    assert chain.mempool() == ()
    chain.mine(2)
    assert chain.confirmations(tx.txid) == 3
    assert chain.find_transaction(tx.txid) == tx


def test_broadcasting_again_does_nothing(chain: Chain) -> None:
    lock = lock_coins(chain)
    tx = lock.spend()
    child = lock.follow(tx).spend()
    for _ in range(2):
        chain.broadcast([tx, child])
        assert chain.mempool() == (tx, child)
    chain.mine()
    chain.broadcast(tx)
    chain.broadcast([tx, child])
    assert chain.mempool() == ()


def test_unknown_transactions_have_no_confirmations(chain: Chain) -> None:
    assert chain.confirmations(b"\x01" * 32) == 0
    assert chain.find_transaction(b"\x01" * 32) is None
    assert chain.find_spend(OutPoint(b"\x01" * 32, 0)) is None
    assert chain.utxo(OutPoint(b"\x01" * 32, 0)) is None


def test_a_false_witness_is_refused_with_the_words_of_the_interpreter(chain: Chain) -> None:
    tx = lock_coins(chain, EQUAL).spend(b"one", b"other")
    error = refuse(chain, tx)
    assert error.is_script_failure
    assert "false/empty top stack element" in error.detail
    assert f"input 0 of {tx.txid_hex}" in error.detail


def test_a_relative_timelock_refuses_early_and_accepts_in_time(chain: Chain) -> None:
    lock = lock_coins(chain, CSV_5)
    tx = lock.spend(sequence=5)
    for _ in range(4):
        assert refuse(chain, tx).reason == "non-BIP68-final"
        chain.mine()
    assert refuse(chain, lock.spend(sequence=4)).is_script_failure
    chain.broadcast(tx)
    chain.mine()
    assert chain.confirmations(tx.txid) == 1


def test_a_relative_timelock_on_an_unconfirmed_parent_is_never_met(chain: Chain) -> None:
    lock = lock_coins(chain)
    parent = lock.spend()
    chain.broadcast(parent)
    assert refuse(chain, lock.follow(parent).spend(sequence=1)).reason == "non-BIP68-final"
    chain.broadcast(lock.follow(parent).spend(sequence=0))


def test_an_absolute_timelock_refuses_early_and_accepts_in_time(chain: Chain) -> None:
    lock = lock_coins(chain)
    height = chain.tip().height + 3
    tx = lock.spend(locktime=height, sequence=0)
    assert refuse(chain, tx).reason == "non-final"
    chain.mine(2)
    assert refuse(chain, tx).reason == "non-final"
    chain.mine()
    chain.broadcast(tx)


def test_missing_coins_immature_rewards_and_money_from_nothing_are_refused(chain: Chain) -> None:
    lock = lock_coins(chain)
    nowhere = TxIn(OutPoint(b"\x01" * 32, 0))
    tx = Transaction(2, (nowhere,), (pay(1_000),))
    assert refuse(chain, tx).reason == "bad-txns-inputs-missingorspent"
    assert refuse(chain, lock.spend(fee=-1)).reason == "bad-txns-in-belowout"
    reward = chain.block(chain.tip().height).transactions[0]
    early = Transaction(2, (TxIn(reward.outpoint(0)),), (pay(reward.outputs[0].value - 1_000),))
    assert refuse(chain, early).reason == "bad-txns-premature-spend-of-coinbase"


def test_dust_is_refused_and_the_smallest_standard_value_is_not(chain: Chain) -> None:
    lock = lock_coins(chain)
    assert refuse(chain, lock.spend(outputs=[pay(329), pay(900_000)])).reason == "dust"
    assert refuse(chain, lock.spend(outputs=[anchor(239), pay(900_000)])).reason == "dust"
    chain.broadcast(lock.spend(outputs=[pay(330), anchor(240), pay(900_000)]))


def test_a_transaction_over_400000_weight_units_is_refused_but_can_be_mined(chain: Chain) -> None:
    filler = (b"\x4c\xff" + bytes(255) + b"\x75") * 1_600
    fits, too_big = (filler[: 258 * n] + OP_TRUE for n in (1_540, 1_560))
    small, large = lock_coins(chain, fits), lock_coins(chain, too_big)
    assert small.spend(fee=110_000).weight < 400_000 < large.spend().weight
    chain.broadcast(small.spend(fee=110_000))
    assert refuse(chain, large.spend(fee=110_000)).reason == "tx-size"
    chain.mine_block([large.spend(fee=110_000)])
    assert chain.find_spend(large.outpoint) is not None


def test_one_sat_per_vbyte_is_the_least_fee(chain: Chain) -> None:
    lock = lock_coins(chain)
    vbytes = lock.spend().vbytes
    assert refuse(chain, lock.spend(fee=vbytes - 1)).reason == "min relay fee not met"
    chain.broadcast(lock.spend(fee=vbytes))
    assert chain.estimate_fee() >= 1


def test_burning_coins_is_relayed(chain: Chain) -> None:
    burn = TxOut(pay(500_000).value, op_return_script(b"burnt"))
    tx = lock_coins(chain).spend(outputs=[burn, pay(400_000)])
    chain.broadcast(tx)
    assert chain.mempool() == (tx,)


# ---- packages ---------------------------------------------------------------------------------------------


def test_a_version_3_parent_without_fee_comes_in_with_the_child_that_pays(chain: Chain) -> None:
    lock, coins = lock_coins(chain), lock_coins(chain)
    parent = lock.spend(outputs=[pay(lock.value - 240), anchor()], version=3)
    child = bump(parent, 1, coins, fee=2_000)
    assert refuse(chain, parent).reason == "min relay fee not met"
    with pytest.raises(Rejected, match="missing"):
        chain.broadcast(child)
    chain.broadcast([parent, child])
    assert chain.mempool() == (parent, child)
    chain.mine()
    assert chain.confirmations(parent.txid) == chain.confirmations(child.txid) == 1


def test_a_package_whose_child_pays_too_little_is_refused_whole(chain: Chain) -> None:
    lock, coins = lock_coins(chain), lock_coins(chain)
    parent = lock.spend(outputs=[pay(lock.value - 240), anchor()], version=3)
    vbytes = parent.vbytes + bump(parent, 1, coins, fee=0).vbytes
    with pytest.raises(Rejected):
        chain.broadcast([parent, bump(parent, 1, coins, fee=vbytes - 1)])
    assert chain.mempool() == ()
    chain.broadcast([parent, bump(parent, 1, coins, fee=vbytes)])


def relays_any_parent(chain: Chain) -> bool:
    """Is this the mempool of clusters, which looks at packages only?"""
    return not isinstance(chain, EmbeddedChain) and "Bitcoin Core daemon version v31" in find_version(find_bitcoind())


def test_a_version_2_parent_without_fee_is_refused_even_with_a_paying_child(chain: Chain) -> None:
    lock, coins = lock_coins(chain), lock_coins(chain)
    parent = lock.spend(outputs=[pay(lock.value - 240), anchor()], version=2)
    if relays_any_parent(chain):
        pytest.skip("Bitcoin Core from 31 on takes a version 2 parent without a fee in a package; Knots does not")
    with pytest.raises(Rejected, match="min relay fee not met"):
        chain.broadcast([parent, bump(parent, 1, coins, fee=5_000, version=2)])
    paying = lock.spend(outputs=[pay(lock.value - 1_000), anchor()], version=2)
    chain.broadcast([paying, bump(paying, 1, coins, fee=5_000, version=2)])


def test_a_package_with_a_false_witness_is_refused(chain: Chain) -> None:
    lock, coins = lock_coins(chain, EQUAL), lock_coins(chain)
    parent = lock.spend(b"a", b"b", outputs=[pay(lock.value - 240), anchor()], version=3)
    with pytest.raises(Rejected):
        chain.broadcast([parent, bump(parent, 1, coins, fee=2_000)])
    assert chain.mempool() == ()


def test_a_package_is_one_child_with_its_parents(chain: Chain) -> None:
    one, other = lock_coins(chain), lock_coins(chain)
    parent = one.spend()
    child = one.follow(parent).spend()
    grandchild = one.follow(child).spend()
    for package in ([parent, other.spend()], [parent, child, grandchild], [child, parent]):
        with pytest.raises(Rejected) as refused:
            chain.broadcast(package)
        assert refused.value.reason == "package-not-child-with-parents"
        assert chain.mempool() == ()
    chain.broadcast([parent, child])
    chain.broadcast([child, grandchild])
    assert chain.mempool() == (parent, child, grandchild)


def test_a_version_3_child_may_have_1000_vbytes(chain: Chain) -> None:
    lock, coins = lock_coins(chain), lock_coins(chain)
    parent = lock.spend(version=3)
    chain.broadcast(parent)
    child = lock.follow(parent)
    many = [pay(1_000)] * 24
    assert child.spend(outputs=many, version=3).vbytes > 1_000
    assert refuse(chain, child.spend(outputs=many, version=3)).reason == "TRUC-violation"
    assert refuse(chain, child.spend(version=2)).reason == "TRUC-violation"
    assert coins.spend(outputs=many, version=3).vbytes > 1_000
    chain.broadcast(coins.spend(outputs=many, version=3))
    chain.broadcast(child.spend(outputs=many[:20], version=3))


def test_a_version_3_chain_has_two_generations_at_most(chain: Chain) -> None:
    lock = lock_coins(chain)
    parent = lock.spend(version=3)
    child = lock.follow(parent).spend(version=3)
    chain.broadcast([parent, child])
    assert refuse(chain, lock.follow(child).spend(version=3)).reason == "TRUC-violation"
    chain.mine()
    chain.broadcast(lock.follow(child).spend(version=3))


def test_a_version_3_child_does_not_hang_on_a_version_2_parent(chain: Chain) -> None:
    lock = lock_coins(chain)
    parent = lock.spend(version=2)
    chain.broadcast(parent)
    assert refuse(chain, lock.follow(parent).spend(version=3)).reason == "TRUC-violation"
    chain.broadcast(lock.follow(parent).spend(version=2))


def test_a_second_version_3_child_replaces_the_first_if_it_pays_more(chain: Chain) -> None:
    lock = lock_coins(chain)
    parent = lock.spend(outputs=[pay(400_000), pay(500_000)], version=3)
    first = lock.follow(parent, 0).spend(version=3, fee=1_000)
    chain.broadcast([parent, first])
    assert refuse(chain, lock.follow(parent, 1).spend(version=3, fee=900)).reason == "insufficient fee"
    second = lock.follow(parent, 1).spend(version=3, fee=3_000)
    chain.broadcast(second)
    assert chain.mempool() == (parent, second)


# ---- conflicts --------------------------------------------------------------------------------------------


def test_a_double_spend_of_a_confirmed_coin_is_refused(chain: Chain) -> None:
    lock = lock_coins(chain)
    chain.broadcast(lock.spend(fee=1_000))
    chain.mine()
    assert refuse(chain, lock.spend(fee=9_000)).reason == "bad-txns-inputs-missingorspent"


def test_a_double_spend_in_the_mempool_must_pay_for_what_it_replaces(chain: Chain) -> None:
    lock = lock_coins(chain)
    first = lock.spend(fee=1_000)
    child = lock.follow(first).spend(fee=2_000)
    chain.broadcast([first, child])
    for fee in (1_001, 2_999):
        assert refuse(chain, lock.spend(fee=fee)).reason == "insufficient fee"
    replacement = lock.spend(fee=4_000)
    chain.broadcast(replacement)
    assert chain.mempool() == (replacement,)


def test_a_package_replaces_a_rival_of_its_parent(chain: Chain) -> None:
    lock, coins = lock_coins(chain), lock_coins(chain)
    rival = lock.spend(fee=1_000, version=3)
    chain.broadcast(rival)
    parent = lock.spend(outputs=[pay(lock.value - 240), anchor()], version=3)
    with pytest.raises(Rejected):
        chain.broadcast([parent, bump(parent, 1, coins, fee=1_100)])
    assert chain.mempool() == (rival,)
    child = bump(parent, 1, coins, fee=5_000)
    chain.broadcast([parent, child])
    assert chain.mempool() == (parent, child)


def test_a_block_drops_what_it_conflicts_with_and_its_descendants(chain: Chain) -> None:
    lock = lock_coins(chain)
    first = lock.spend(fee=1_000)
    child = lock.follow(first).spend()
    chain.broadcast([first, child])
    rival = lock.spend(fee=500)
    chain.mine_block([rival])
    assert chain.mempool() == ()
    spend = chain.find_spend(lock.outpoint)
    assert spend is not None and spend.tx == rival


def test_mining_exact_transactions_passes_policy_but_not_consensus(chain: Chain) -> None:
    lock = lock_coins(chain)
    nonstandard = lock.spend(fee=0, version=77)
    assert refuse(chain, nonstandard).reason == "version"
    before = chain.tip()
    with pytest.raises(Rejected):
        chain.mine_block([lock.spend(fee=-1)])
    assert chain.tip() == before
    chain.mine_block([nonstandard])
    assert chain.confirmations(nonstandard.txid) == 1


# ---- reorganisation and restart ---------------------------------------------------------------------------


def test_an_invalidated_block_returns_its_transactions_to_the_mempool(chain: Chain) -> None:
    lock = lock_coins(chain)
    tx = lock.spend()
    child = lock.follow(tx).spend()
    chain.broadcast(tx)
    (first,) = chain.mine()
    chain.broadcast(child)
    chain.mine(2)
    height = chain.tip().height
    assert chain.find_spend(lock.outpoint) is not None
    chain.invalidate(first)
    assert chain.tip().height == height - 3
    assert chain.mempool() == (tx, child)
    assert chain.find_spend(lock.outpoint) is None
    assert chain.utxo(lock.outpoint) is not None
    assert chain.confirmations(tx.txid) == 0
    (again,) = chain.mine()
    assert again != first
    assert chain.confirmations(tx.txid) == chain.confirmations(child.txid) == 1


def test_a_witness_can_differ_after_a_reorganisation_under_the_same_txid(chain: Chain) -> None:
    lock = lock_coins(chain, b"\x75" + OP_TRUE)
    seen, other = lock.spend(b"first"), lock.spend(b"second")
    assert seen.txid == other.txid
    chain.broadcast(seen)
    (block,) = chain.mine()
    chain.invalidate(block)
    chain.mine_block([other])
    spend = chain.find_spend(lock.outpoint)
    assert spend is not None and spend.tx == other != seen


def test_invalidating_needs_a_block_of_the_chain(chain: Chain) -> None:
    chain.mine(2)
    with pytest.raises(InvalidInput, match="block"):
        chain.invalidate(b"\x01" * 32)
    assert chain.tip().height == 2


def test_a_longer_branch_from_elsewhere_wins(chain: Chain) -> None:
    lock = lock_coins(chain)
    common = [chain.block(h).serialize() for h in range(1, chain.tip().height + 1)]
    tx = lock.spend()
    chain.broadcast(tx)
    chain.mine(2)
    with EmbeddedChain() as world:
        for raw in common:
            world.submit_block(raw)
        rival = lock.spend(fee=5_000)
        world.mine_block([rival], OP_TRUE)
        branch = [world.tip().hash, *world.mine(2)]
        raws = [world.block(block_hash).serialize() for block_hash in branch]
    before = chain.tip()
    for raw in raws[:2]:
        chain.submit_block(raw)
        assert chain.tip() == before
    chain.submit_block(raws[2])
    assert chain.tip().hash == branch[2]
    spend = chain.find_spend(lock.outpoint)
    assert spend is not None and spend.tx == rival
    assert chain.confirmations(tx.txid) == 0
    assert chain.mempool() == ()


def test_a_block_that_is_known_changes_nothing(backend: Backend) -> None:
    backend.chain.mine(2)
    tip = backend.chain.tip()
    backend.chain.submit_block(backend.chain.block(1).serialize())
    backend.chain.submit_block(backend.chain.block(2).serialize())
    assert backend.chain.tip() == tip
    backend.restart()
    assert backend.chain.tip() == tip


def test_a_block_that_breaks_a_rule_is_refused(chain: Chain) -> None:
    chain.mine(1)
    before = chain.tip()
    raw = bytearray(chain.block(1).serialize())
    raw[4:36] = before.hash
    with pytest.raises(Rejected):
        chain.submit_block(bytes(raw))
    with pytest.raises(Rejected, match="decode"):
        chain.submit_block(b"no block")
    assert chain.tip() == before


def test_a_restart_keeps_chain_coins_and_mempool(backend: Backend) -> None:
    lock, spare = lock_coins(backend.chain), lock_coins(backend.chain)
    spent = lock.spend()
    backend.chain.broadcast(spent)
    backend.chain.mine()
    waiting = spare.spend()
    backend.chain.broadcast(waiting)
    tip, coin = backend.chain.tip(), backend.chain.utxo(spent.outpoint(0))
    backend.restart()
    assert backend.chain.tip() == tip
    assert coin is not None and backend.chain.utxo(spent.outpoint(0)) == coin
    spend = backend.chain.find_spend(lock.outpoint)
    assert spend is not None and spend.tx == spent
    assert backend.chain.mempool() == (waiting,)
    assert fund(backend.chain, lock.script_pubkey, 1_000)
