"""The depositor's coins: `deposit`, from which he can take them back, and `vault`, from which he cannot.

`confirm` moves them from the first to the second. Takes spend the vault only: a refund leaf on an output that takes
spend would let the depositor keep both his coins and what the L2 credited for them.
"""

from __future__ import annotations

from taproot.connectors.output import Contract, Output, SpendPath, make_output, signed_by_all
from taproot.connectors.turn import make_leaf
from taproot.script import Op, script
from taproot.terms import ANCHOR


def make_deposit(contract: Contract) -> Output:
    """Leaves `n-of-n`; `refund`: the depositor after `refund_delay`."""
    leaves = (signed_by_all(contract), _refund(contract))
    return make_output("deposit", contract.terms.deposit, contract.standing, leaves)


def make_vault(contract: Contract, owner: bytes) -> Output:
    """Leaf `n-of-n`; `confirm` pays it, less its anchor."""
    return make_output("vault", contract.terms.deposit - ANCHOR, owner, (signed_by_all(contract),))


def _refund(contract: Contract) -> SpendPath:
    """Leaf `refund`, as the miniscript `and_v(v:pk(depositor),older(refund_delay))` writes it (BIP379).

    So every wallet that knows output descriptors derives the depositor's address and can spend it.

    stack:  signature  →  true
    """
    depositor, delay = contract.parties.depositor.name, contract.terms.refund_delay
    body = script(contract.key(depositor), Op.CHECKSIGVERIFY, delay, Op.CHECKSEQUENCEVERIFY)
    return SpendPath(make_leaf("refund", body, 1, "the signers did not take the deposit"), (depositor,), delay)
