"""Stakes of the operator and bonds of the challengers: they stand once, for all deposits.

The way out is slow and seen by everyone. The owner first has to publish `leave` (signed by all in advance, so that its
txid is known and everything that punishes him is signed for the output after it as well); only then his delay begins.
A delay that counted from the day he paid in would be over on the day he cheats.
"""

from __future__ import annotations

from taproot.connectors.output import Contract, Output, make_output, signed_after, signed_by_all, signed_by_both
from taproot.parties import N_OF_N
from taproot.terms import ANCHOR


def stake_name(index: int) -> str:
    """Name of an output of the operator's pool."""
    return f"stake{index}"


def bond_name(challenger: str) -> str:
    """Name of a challenger's bond."""
    return f"bond.{challenger}"


def leaving_name(standing: str) -> str:
    """Name of the output that `leave` makes of a stake or bond."""
    return f"{standing}.leaving"


def make_stake(contract: Contract, index: int) -> Output:
    """Leaves `n-of-n`; `leave`: the operator together with all."""
    return _standing(contract, stake_name(index), contract.terms.stakes[index], contract.parties.operator.name)


def make_leaving_stake(contract: Contract, index: int) -> Output:
    """Leaves `n-of-n`; `exit`: the operator after `exit_delay`."""
    return _leaving(contract, stake_name(index), contract.terms.stakes[index], contract.parties.operator.name)


def make_bond(contract: Contract, challenger: str) -> Output:
    """Leaves `n-of-n`; `leave`: the challenger together with all."""
    return _standing(contract, bond_name(challenger), contract.terms.bond, challenger)


def make_leaving_bond(contract: Contract, challenger: str) -> Output:
    """Leaves `n-of-n`; `exit`: the challenger after `exit_delay`."""
    return _leaving(contract, bond_name(challenger), contract.terms.bond, challenger)


def _standing(contract: Contract, name: str, value: int, party: str) -> Output:
    leave = signed_by_both(contract, "leave", party, N_OF_N, "the owner announced that he leaves")
    return make_output(name, value, contract.standing, (signed_by_all(contract), leave))


def _leaving(contract: Contract, name: str, value: int, party: str) -> Output:
    free = signed_after(contract, "exit", party, contract.terms.exit_delay, "nothing was held against him in time")
    return make_output(leaving_name(name), value - ANCHOR, contract.standing, (signed_by_all(contract), free))
