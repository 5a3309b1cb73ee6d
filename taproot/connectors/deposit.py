"""The depositor's coins: `deposit`, from which he can take them back, and `vault`, from which he cannot.

`confirm` moves them from the first to the second. Takes spend the vault only: a refund leaf on an output that takes
spend would let the depositor keep both his coins and what the L2 credited for them.
"""

from __future__ import annotations

from taproot.connectors.output import Contract, Output, make_output, signed_after, signed_by_all
from taproot.terms import ANCHOR


def make_deposit(contract: Contract) -> Output:
    """Leaves `n-of-n`; `refund`: the depositor after `refund_delay`."""
    terms, depositor = contract.terms, contract.parties.depositor.name
    refund = signed_after(contract, "refund", depositor, terms.refund_delay, "the signers did not take the deposit")
    return make_output("deposit", terms.deposit, contract.standing, (signed_by_all(contract), refund))


def make_vault(contract: Contract, owner: bytes) -> Output:
    """Leaf `n-of-n`; `confirm` pays it, less its anchor."""
    return make_output("vault", contract.terms.deposit - ANCHOR, owner, (signed_by_all(contract),))
