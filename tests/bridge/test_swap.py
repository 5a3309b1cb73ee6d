"""Swaps on libbitcoinkernel: the honest play, both refunds, every way to be late or to grief, and the books."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btc_l2.bridge.htlc import Htlc, find_preimage, make_claim, make_refund, plan_together, sign_together
from btc_l2.bridge.ledger import LocalLedger, LockState
from btc_l2.bridge.swap import (
    SwapTerms,
    claim_bitcoin,
    find_output,
    lock_coins,
    offer_bitcoin,
    refund_bitcoin,
    refund_coins,
    take_coins,
)
from btc_l2.chain.embedded import EmbeddedChain
from btc_l2.chain.faucet import fund, fund_all
from btc_l2.chain.kernel import verify_spend
from btc_l2.chain.protocol import Rejected
from taproot.errors import InvalidInput, Refused
from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.tx import OutPoint, Transaction, TxOut, p2tr_script
from taproot.units import Sats

USER, OPERATOR = (SecretKey(sha256(name)) for name in (b"swap user", b"swap operator"))
SECRET = sha256(b"swap secret")
HTLC = Htlc(OPERATOR.public_key, USER.public_key, sha256(SECRET), 20, Sats(1_000_000))
USER_SCRIPT, OPERATOR_SCRIPT = (p2tr_script(k.x_only.taproot_output_key()[0]) for k in (USER, OPERATOR))
COINS = 1_000
FAR = 60


@dataclass
class Deal:
    """A chain, a ledger, and terms between a user with coins and an operator."""

    chain: EmbeddedChain
    ledger: LocalLedger
    terms: SwapTerms

    def lock(self) -> None:
        lock_coins(self.terms, self.ledger)

    def pay(self) -> OutPoint:
        """The operator pays; deep enough for the user on return."""
        output = offer_bitcoin(self.terms, self.ledger, self.chain)
        at = fund(self.chain, output.script_pubkey, output.value)
        self.chain.mine(self.terms.confirmations - 1)
        return at

    def claim(self) -> Transaction:
        return claim_bitcoin(self.terms, self.chain, USER, SECRET, USER_SCRIPT)

    def send(self, tx: Transaction) -> None:
        self.chain.broadcast(tx)
        self.chain.mine()

    def coins(self) -> tuple[int, int]:
        """L2 coins of user and operator."""
        return self.ledger.balance("user"), self.ledger.balance("operator")

    def sats(self) -> tuple[int, int]:
        """Bitcoin that came to user and operator out of the swap."""
        user, operator = (sum(c.output.value for c in self.chain.find_coins(s)) for s in (USER_SCRIPT, OPERATOR_SCRIPT))
        return user, operator


@pytest.fixture
def deal(chain: EmbeddedChain) -> Deal:
    chain.mine(110)
    ledger = LocalLedger({"user": COINS}, lambda: chain.tip().height)
    return Deal(chain, ledger, SwapTerms(COINS, HTLC, "user", "operator", chain.tip().height + FAR))


# ---- the plays -------------------------------------------------------------------------------------------------------


def test_honest_swap_gives_each_what_the_other_had(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    claim = deal.claim()
    deal.chain.broadcast(claim)
    lock = take_coins(deal.terms, deal.ledger, deal.chain, at)  # out of the mempool already
    deal.chain.mine()
    assert lock is not None and lock.preimage == SECRET
    assert deal.coins() == (0, COINS) and deal.sats() == (HTLC.amount - claim.vbytes, 0)
    assert take_coins(deal.terms, deal.ledger, deal.chain, at) == lock and deal.ledger.total() == COINS


def test_operator_who_comes_back_finds_the_secret_in_the_block(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    deal.send(deal.claim())
    deal.chain.mine(3)
    take_coins(deal.terms, deal.ledger, deal.chain, at)
    assert deal.coins() == (0, COINS)


def test_user_who_never_claims_gets_his_coins_and_the_operator_his_bitcoin_back(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    deal.chain.mine(HTLC.delay - deal.terms.confirmations)
    refund = refund_bitcoin(deal.terms, deal.chain, at, OPERATOR, OPERATOR_SCRIPT)
    deal.send(refund)
    assert take_coins(deal.terms, deal.ledger, deal.chain, at) is None
    deal.chain.mine(deal.terms.expiry - deal.chain.tip().height)
    refund_coins(deal.terms, deal.ledger)
    assert deal.coins() == (COINS, 0) and deal.sats() == (0, HTLC.amount - refund.vbytes)


def test_operator_who_never_pays_costs_the_user_time_only(deal: Deal) -> None:
    deal.lock()
    with pytest.raises(Refused, match="wait"):
        refund_coins(deal.terms, deal.ledger)
    deal.chain.mine(FAR)
    assert refund_coins(deal.terms, deal.ledger).state is LockState.REFUNDED
    assert deal.coins() == (COINS, 0) and deal.ledger.total() == COINS


def test_both_together_spend_by_the_key_path_and_show_no_secret(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    tx = sign_together(HTLC, plan_together(HTLC, at, USER_SCRIPT, 1), {"funder": OPERATOR, "claimer": USER})
    deal.send(tx)
    assert deal.sats() == (HTLC.amount - tx.vbytes, 0)
    assert [len(item) for item in tx.inputs[0].witness] == [64] and find_preimage(HTLC, tx.inputs[0].witness) is None


# ---- in time or not at all -------------------------------------------------------------------------------------------


def test_operators_refund_is_no_block_too_early(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    early = make_refund(HTLC, at, OPERATOR, OPERATOR_SCRIPT, 1)
    deal.chain.mine(HTLC.delay - deal.terms.confirmations - 1)
    with pytest.raises(Refused, match="wait"):
        refund_bitcoin(deal.terms, deal.chain, at, OPERATOR, OPERATOR_SCRIPT)
    with pytest.raises(Rejected, match="non-BIP68-final"):
        deal.chain.check(early)
    deal.chain.mine()
    deal.chain.check(refund_bitcoin(deal.terms, deal.chain, at, OPERATOR, OPERATOR_SCRIPT))


def test_user_shows_no_secret_when_the_refund_is_near(deal: Deal) -> None:
    deal.lock()
    at = deal.pay()
    coin = deal.chain.utxo(at)
    assert coin is not None
    last = coin.height + HTLC.delay - deal.terms.reaction - 1
    deal.chain.mine(last - deal.chain.tip().height)
    deal.claim()
    deal.chain.mine()
    with pytest.raises(Refused, match="show no secret"):
        deal.claim()


def test_user_shows_no_secret_for_an_output_that_is_not_buried_or_another_amount(deal: Deal) -> None:
    deal.lock()
    with pytest.raises(Refused, match="not 2 blocks deep"):
        deal.claim()
    fund(deal.chain, HTLC.output.script_pubkey, HTLC.amount - 1)
    deal.chain.mine()
    with pytest.raises(Refused, match="not 2 blocks deep"):
        deal.claim()
    fund(deal.chain, HTLC.output.script_pubkey, HTLC.amount)
    with pytest.raises(Refused, match="not 2 blocks deep"):
        deal.claim()
    deal.chain.mine()
    assert find_output(deal.terms, deal.chain) is not None
    deal.claim()


def test_operator_pays_nothing_for_a_lock_that_ends_too_early(deal: Deal) -> None:
    deal.lock()
    deal.chain.mine(FAR - deal.terms.least_expiry_after)
    offer_bitcoin(deal.terms, deal.ledger, deal.chain)
    deal.chain.mine()
    with pytest.raises(Refused, match="pay nothing"):
        offer_bitcoin(deal.terms, deal.ledger, deal.chain)


def test_user_does_not_lock_what_no_operator_would_pay_for(deal: Deal) -> None:
    terms = replace(deal.terms, expiry=deal.chain.tip().height + deal.terms.least_expiry_after - 1)
    with pytest.raises(InvalidInput, match="too early"):
        lock_coins(terms, deal.ledger)


@pytest.mark.parametrize("other", [{"coins": COINS - 1}, {"operator": "eve"}, {"expiry": 10_000}])
def test_operator_pays_nothing_for_another_lock(deal: Deal, other: dict[str, object]) -> None:
    with pytest.raises(Refused, match="pay nothing"):
        offer_bitcoin(deal.terms, deal.ledger, deal.chain)
    lock_coins(replace(deal.terms, **other), deal.ledger)
    with pytest.raises(Refused, match="pay nothing"):
        offer_bitcoin(deal.terms, deal.ledger, deal.chain)


def test_a_slow_claim_still_leaves_the_operator_time_for_his_coins(deal: Deal) -> None:
    """The worst order of an honest user: claim at the last moment, confirmed a reaction later."""
    deal.chain.mine(FAR - deal.terms.least_expiry_after)
    terms = replace(deal.terms, expiry=deal.chain.tip().height + deal.terms.least_expiry_after)
    deal.terms = terms
    deal.lock()
    deal.chain.mine(terms.reaction)  # the operator's payment takes its time
    at = fund(deal.chain, HTLC.output.script_pubkey, HTLC.amount)
    deal.chain.mine(HTLC.delay - terms.reaction - 2)
    claim = deal.claim()
    deal.chain.mine(terms.reaction)
    deal.send(claim)
    deal.chain.mine(terms.confirmations)
    assert terms.expiry - deal.chain.tip().height >= terms.margin
    take_coins(terms, deal.ledger, deal.chain, at)
    assert deal.coins() == (0, COINS)


@pytest.mark.parametrize(
    "wrong", [{"confirmations": 0}, {"confirmations": 6}, {"margin": 0}, {"coins": 0}, {"reaction": 9}]
)
def test_terms_in_which_somebody_could_not_act_are_refused(deal: Deal, wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        replace(deal.terms, **wrong)


# ---- the output ------------------------------------------------------------------------------------------------------


def judged(tx: Transaction) -> bool:
    return verify_spend(tx.serialize(), 0, [(HTLC.amount, HTLC.output.script_pubkey)])


AT = OutPoint(sha256(b"at"), 0)


def test_claim_needs_preimage_and_claimers_signature() -> None:
    claim = make_claim(HTLC, AT, USER, SECRET, USER_SCRIPT, 1)
    assert judged(claim) and find_preimage(HTLC, claim.inputs[0].witness) == SECRET
    preimage, signature, *rest = claim.inputs[0].witness
    for items in ([sha256(b"no"), signature], [preimage, bytes(64)], [preimage + b"\0", signature], [b"", signature]):
        assert not judged(claim.with_witness(0, [*items, *rest]))


def test_a_preimage_of_another_length_claims_nothing_on_either_side() -> None:
    """Else the user could claim Bitcoin with 33 bytes that the L2 does not take."""
    long = SECRET + b"\0"
    htlc = replace(HTLC, hash=sha256(long))
    claim = make_claim(HTLC, AT, USER, SECRET, USER_SCRIPT, 1)
    leaf = htlc.tree.witness("claim", [long, claim.inputs[0].witness[1]])
    spend = claim.with_witness(0, leaf)
    assert not verify_spend(spend.serialize(), 0, [(htlc.amount, htlc.output.script_pubkey)])
    with pytest.raises(InvalidInput):
        make_claim(htlc, AT, USER, long, USER_SCRIPT, 1)


def test_refund_needs_the_delay_and_the_funders_signature() -> None:
    refund = make_refund(HTLC, AT, OPERATOR, OPERATOR_SCRIPT, 1)
    assert judged(refund)
    hasty = replace(refund, inputs=(replace(refund.inputs[0], sequence=HTLC.delay - 1),))
    assert not judged(hasty)
    assert not judged(refund.with_witness(0, [bytes(64), *refund.inputs[0].witness[1:]]))


def test_keys_of_the_other_side_one_key_for_both_and_dust_are_refused() -> None:
    with pytest.raises(InvalidInput):
        make_refund(HTLC, AT, USER, USER_SCRIPT, 1)
    with pytest.raises(InvalidInput):
        make_claim(HTLC, AT, OPERATOR, SECRET, USER_SCRIPT, 1)
    with pytest.raises(InvalidInput):
        replace(HTLC, funder=USER.public_key)
    with pytest.raises(Refused, match="lower fees"):
        make_refund(replace(HTLC, amount=Sats(400)), AT, OPERATOR, OPERATOR_SCRIPT, 1)


# ---- ledger ----------------------------------------------------------------------------------------------------------


def test_ledger_refuses_what_would_make_or_lose_coins() -> None:
    now = [100]
    ledger = LocalLedger({"user": 10}, lambda: now[0])
    digest = sha256(SECRET)
    for amount, wrong, expiry in ((0, digest, 200), (5, b"", 200), (5, digest, 100)):
        with pytest.raises(InvalidInput):
            ledger.lock("user", "operator", amount, wrong, expiry)
    with pytest.raises(Refused, match="has 10 coins"):
        ledger.lock("user", "operator", 11, digest, 200)
    lock = ledger.lock("user", "operator", 4, digest, 200)
    with pytest.raises(Refused, match="used before"):
        ledger.lock("user", "operator", 4, digest, 300)
    with pytest.raises(Refused, match="not the preimage"):
        ledger.claim(lock.id, bytes(32))
    with pytest.raises(Refused):
        ledger.claim("00", SECRET)
    now[0] = 200
    with pytest.raises(Refused, match="expired"):
        ledger.claim(lock.id, SECRET)
    ledger.refund(lock.id)
    for again in (lambda: ledger.refund(lock.id), lambda: ledger.claim(lock.id, SECRET)):
        with pytest.raises(Refused, match="refunded"):
            again()
    assert ledger.balance("user") == 10 == ledger.total()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["lock", "claim", "refund", "wait"]), st.integers(0, 5)), max_size=20))
def test_no_order_of_calls_makes_or_loses_a_coin(calls: list[tuple[str, int]]) -> None:
    now = [0]
    ledger = LocalLedger({"user": 20, "operator": 5}, lambda: now[0])
    for what, n in calls:
        preimage = sha256(bytes([n]))
        try:
            if what == "lock":
                ledger.lock("user", "operator", n + 1, sha256(preimage), now[0] + 5)
            elif what == "claim":
                ledger.claim(sha256(preimage).hex(), preimage)
            elif what == "refund":
                ledger.refund(sha256(preimage).hex())
            else:
                now[0] += n
        except Refused:
            pass
        assert ledger.total() == 25 and min(ledger.balance("user"), ledger.balance("operator")) >= 0


def test_books_of_many_swaps_balance_to_the_satoshi(chain: EmbeddedChain) -> None:
    """Half of the users claim, half stay away; what the outputs held is with somebody or a fee."""
    secrets = [sha256(b"many %d" % k) for k in range(6)]
    htlcs = [replace(HTLC, hash=sha256(s), amount=Sats(100_000 + k)) for k, s in enumerate(secrets)]
    points = fund_all(chain, [TxOut(h.amount, h.output.script_pubkey) for h in htlcs])
    chain.mine(HTLC.delay)
    fees = 0
    for k, (htlc, at) in enumerate(zip(htlcs, points, strict=True)):
        spend = (
            make_claim(htlc, at, USER, secrets[k], USER_SCRIPT, 1)
            if k % 2
            else make_refund(htlc, at, OPERATOR, OPERATOR_SCRIPT, 1)
        )
        chain.broadcast(spend)
        fees += htlc.amount - spend.outputs[0].value
        assert spend.vbytes == htlc.amount - spend.outputs[0].value
    chain.mine()
    held = sum(c.output.value for script in (USER_SCRIPT, OPERATOR_SCRIPT) for c in chain.find_coins(script))
    assert held + fees == sum(h.amount for h in htlcs)
