"""Units and limits of Bitcoin that the graph is built against.

Amounts are satoshis, sizes are weight units (WU, BIP141) or virtual bytes (vB = ceil(WU / 4)).
Sources: Bitcoin Core `policy/policy.h`, BIP141, BIP341/342, BIP431 (TRUC), Core 29 ephemeral dust and P2A.
"""

from __future__ import annotations

from typing import NewType

Sats = NewType("Sats", int)  # never float, never BTC

COIN = Sats(100_000_000)  # satoshis in one bitcoin
MAX_MONEY = Sats(21_000_000 * 100_000_000)

# Consensus
WITNESS_SCALE_FACTOR = 4  # one byte outside the witness weighs four units, BIP141
MAX_BLOCK_WEIGHT = 4_000_000  # WU
MAX_STACK_ITEMS = 1000  # main + alt stack, BIP342 "Resource limits"
MAX_SCRIPT_ELEMENT_SIZE = 520  # bytes of one stack item, kept by BIP342
MAX_TREE_DEPTH = 128  # longest control block, BIP341
LEAF_VERSION_TAPSCRIPT = 0xC0  # BIP342
SIGOPS_BUDGET_PER_CHECK = 50  # witness bytes that pay for one signature check, BIP342
SIGOPS_BUDGET_BASE = 50

# Policy
MAX_STANDARD_WEIGHT = 400_000  # WU of one relayed transaction
MAX_STANDARD_TAPSCRIPT_ITEM = 80  # bytes of one witness item for a tapscript leaf
RELAYED_TREE_DEPTH = 7  # deepest leaf that every node in use relays (stricter than Core)
RELAYED_TREE_LEAVES = 1 << RELAYED_TREE_DEPTH
RELAYED_PUSH_SIZE = 256  # longest push in a leaf that every node in use relays (stricter than Core)
MIN_RELAY_FEE_RATE = 1  # sat/vB
TRUC_VERSION = 3  # transaction version that opts into BIP431
TRUC_MAX_VBYTES = 10_000  # an unconfirmed parent, BIP431 rule 4
TRUC_CHILD_MAX_VBYTES = 1_000  # its one unconfirmed child, BIP431 rule 5

# Smallest value that is not dust at Core's default 3 sat/vB dust rate: 3 * (output bytes + bytes to spend it)
DUST_P2PKH = Sats(546)
DUST_P2SH = Sats(540)
DUST_P2WPKH = Sats(294)
DUST_P2WSH = Sats(330)
DUST_P2TR = Sats(330)
DUST_P2A = Sats(240)

# Relative and absolute lock times
SEQUENCE_FINAL = 0xFFFF_FFFF
SEQUENCE_RBF = 0xFFFF_FFFD  # signals replacement, locktime active, no relative lock (BIP125, BIP68)
SEQUENCE_LOCKTIME_DISABLE_FLAG = 1 << 31  # BIP68: this input has no relative lock
SEQUENCE_LOCKTIME_TYPE_FLAG = 1 << 22  # BIP68: units of 512 seconds instead of blocks
SEQUENCE_LOCKTIME_MASK = 0xFFFF
LOCKTIME_THRESHOLD = 500_000_000  # below: block height, from here on: Unix time


def vbytes_of_weight(weight: int) -> int:
    """Virtual bytes of `weight` units, rounded up (BIP141)."""
    return (weight + WITNESS_SCALE_FACTOR - 1) // WITNESS_SCALE_FACTOR


def dust_limit(script_pubkey: bytes) -> Sats:
    """Smallest standard value of an output with this script; 0 for OP_RETURN, which is never dust."""
    size = len(script_pubkey)
    if script_pubkey[:1] == b"\x6a":
        return Sats(0)
    if _is_witness_program(script_pubkey):
        spend = 32 + 4 + 1 + 107 // WITNESS_SCALE_FACTOR + 4
    else:
        spend = 32 + 4 + 1 + 107 + 4
    return Sats(3 * (8 + _compact_size_length(size) + size + spend))


def _is_witness_program(script: bytes) -> bool:
    return (
        4 <= len(script) <= 42
        and (script[0] == 0 or 0x51 <= script[0] <= 0x60)
        and script[1] == len(script) - 2
    )


def _compact_size_length(n: int) -> int:
    return 1 if n < 0xFD else 3

# The dispute
MAX_DIGEST = 256  # bits of a node of the state tree; roots may be signed to fewer (docs/spec/security.md)
