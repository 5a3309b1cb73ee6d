"""Which valid transactions nodes relay: the strictest common form of Bitcoin Core's and Bitcoin Knots' rules.

Sources: Core `policy/policy.cpp` and `policy/truc_policy.cpp` (BIP 431), Knots 29.4 with `-corepolicy=1`, which
in addition refuses OP_IF in tapscript, control blocks deeper than 7 and pushes of more than 256 bytes. What passes
here is relayed by both. Stricter than both, because the project needs no more: input scripts are empty, outputs are
of a known kind, dust is refused even where it would be ephemeral, the relay fee is at least 1 sat/vB.

Not seen here: numbers on the stack that are not minimally encoded. They are valid but not relayed, and only running
the script shows them. Reasons are Core's names where Core has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from btc_l2.chain.protocol import NO_PACKAGE, Rejected
from btc_l2.chain.tapscript_policy import check_tapscript
from taproot.tx import P2A_SCRIPT, Transaction, TxIn, TxOut
from taproot.units import (
    LEAF_VERSION_TAPSCRIPT,
    MAX_STACK_ITEMS,
    MAX_STANDARD_TAPSCRIPT_ITEM,
    MAX_STANDARD_WEIGHT,
    MIN_RELAY_FEE_RATE,
    RELAYED_TREE_DEPTH,
    TRUC_CHILD_MAX_VBYTES,
    TRUC_MAX_VBYTES,
    TRUC_VERSION,
    dust_limit,
)

STANDARD_VERSIONS = (1, 2, 3)
MIN_STRIPPED_SIZE = 65  # bytes without witness, Core MIN_STANDARD_TX_NONWITNESS_SIZE
MAX_OP_RETURN_SCRIPT = 83  # bytes, Core ≤ 29 and Knots
MAX_CHAIN_COUNT = 25  # unconfirmed ancestors or descendants, itself included
MAX_CHAIN_VBYTES = 101_000
ANNEX_TAG = 0x50  # BIP 341
WITNESS_SCRIPT_LIMITS = (3_600, 100, 80)  # P2WSH: script bytes, stack items, item bytes
_OP_RETURN = b"\x6a"


def check_standard(tx: Transaction, prevouts: Sequence[TxOut]) -> None:
    """Raise Rejected unless nodes relay `tx`, which spends `prevouts` (one for each input, in order).

    Fees and unconfirmed relatives are judged elsewhere: `check_fee`, `check_truc`, `check_chain_limits`.
    """
    check_form(tx)
    for number, (tx_in, prevout) in enumerate(zip(tx.inputs, prevouts, strict=True)):
        _check_spend(number, tx_in, prevout.script_pubkey)


def check_form(tx: Transaction) -> None:
    """The part of `check_standard` that needs no prevouts: version, weight, input scripts, outputs."""
    if tx.version not in STANDARD_VERSIONS:
        raise Rejected("version", f"{tx.version} is not 1, 2 or 3")
    if tx.weight > MAX_STANDARD_WEIGHT:
        raise Rejected("tx-size", f"{tx.weight} weight units, at most {MAX_STANDARD_WEIGHT} are relayed")
    if len(tx.serialize(witness=False)) < MIN_STRIPPED_SIZE:
        raise Rejected("tx-size-small", f"less than {MIN_STRIPPED_SIZE} bytes without witness")
    if tx.version == TRUC_VERSION and tx.vbytes > TRUC_MAX_VBYTES:
        raise Rejected("TRUC-violation", f"{tx.vbytes} vB, version 3 allows {TRUC_MAX_VBYTES}")
    for number, tx_in in enumerate(tx.inputs):
        if tx_in.script_sig:
            raise Rejected("scriptsig-not-empty", f"input {number}")
    _check_outputs(tx.outputs)


def check_fee(fee: int, vbytes: int) -> None:
    """Raise Rejected if `fee` (sat) for `vbytes`, of one transaction or a whole package, is below the minimum."""
    if fee < vbytes * MIN_RELAY_FEE_RATE:
        raise Rejected("min relay fee not met", f"{fee} < {vbytes * MIN_RELAY_FEE_RATE} sat")


def check_truc(tx: Transaction, parents: Sequence[Transaction], ancestors: int, siblings: int) -> None:
    """Version 3 topology (BIP 431): one unconfirmed parent with one small child, and nothing mixed.

    `parents` are the unconfirmed ones; `ancestors` counts all unconfirmed ancestors, `siblings` the parents' other
    unconfirmed children that `tx` does not replace.
    """
    if any((p.version == TRUC_VERSION) != (tx.version == TRUC_VERSION) for p in parents):
        raise Rejected("TRUC-violation", "an unconfirmed parent and its child are both version 3 or neither is")
    if tx.version != TRUC_VERSION or not parents:
        return
    if ancestors > 1:
        raise Rejected("TRUC-violation", "a version 3 transaction has at most one unconfirmed ancestor")
    if tx.vbytes > TRUC_CHILD_MAX_VBYTES:
        raise Rejected("TRUC-violation", f"child of {tx.vbytes} vB, at most {TRUC_CHILD_MAX_VBYTES}")
    if siblings:
        raise Rejected("TRUC-violation", "the version 3 parent has an unconfirmed child already")


def check_package(txs: Sequence[Transaction]) -> None:
    """A package is one child, last, and parents of it that do not spend from each other (Core `packages.cpp`)."""
    if len(txs) < 2:
        return
    *parents, child = txs
    txids = {tx.txid for tx in parents}
    related = any(i.prevout.txid in txids for tx in parents for i in tx.inputs)
    if related or txids - {i.prevout.txid for i in child.inputs}:
        raise Rejected(NO_PACKAGE, "give the parents of the last transaction, independent of each other")


def check_chain_limits(vbytes_of_ancestors: Iterable[int], most_descendants: int) -> None:
    """Limits on unconfirmed relatives; both counts include the new transaction."""
    sizes = list(vbytes_of_ancestors)
    if len(sizes) > MAX_CHAIN_COUNT or most_descendants > MAX_CHAIN_COUNT:
        raise Rejected("too-long-mempool-chain", f"more than {MAX_CHAIN_COUNT} unconfirmed relatives")
    if len(sizes) > 1 and sum(sizes) > MAX_CHAIN_VBYTES:
        raise Rejected("too-long-mempool-chain", f"{sum(sizes)} vB with unconfirmed ancestors")


def _check_outputs(outputs: Sequence[TxOut]) -> None:
    carriers = 0
    for number, output in enumerate(outputs):
        script = output.script_pubkey
        if not _is_standard_output(script):
            raise Rejected("scriptpubkey", f"output {number} is of no standard kind")
        if output.value < dust_limit(script):
            raise Rejected("dust", f"output {number}: {output.value} < {dust_limit(script)} sat")
        carriers += script[:1] == _OP_RETURN
    if carriers > 1:
        raise Rejected("multi-op-return", f"{carriers} OP_RETURN outputs, one is relayed")


def _is_standard_output(script: bytes) -> bool:
    if script[:1] == _OP_RETURN:
        return len(script) <= MAX_OP_RETURN_SCRIPT and _is_push_only(script[1:])
    return script == P2A_SCRIPT or any(fits(script) for fits in _OUTPUT_KINDS)


def _is_push_only(script: bytes) -> bool:
    """Whether an OP_RETURN's rest consists of whole pushes (sizes up to one length byte)."""
    at = 0
    while at < len(script):
        opcode = script[at]
        if opcode > 0x60 or opcode in (0x4D, 0x4E) or (opcode == 0x4C and at + 1 == len(script)):
            return False
        at += 2 + script[at + 1] if opcode == 0x4C else 1 + (opcode if opcode < 0x4C else 0)
    return at == len(script)


def _is_p2tr(script: bytes) -> bool:
    return len(script) == 34 and script[:2] == b"\x51\x20"


def _is_p2wpkh(script: bytes) -> bool:
    return len(script) == 22 and script[:2] == b"\x00\x14"


def _is_p2wsh(script: bytes) -> bool:
    return len(script) == 34 and script[:2] == b"\x00\x20"


def _is_p2pkh(script: bytes) -> bool:
    return len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac"


def _is_p2sh(script: bytes) -> bool:
    return len(script) == 23 and script[:2] == b"\xa9\x14" and script[22] == 0x87


_OUTPUT_KINDS: tuple[Callable[[bytes], bool], ...] = (_is_p2tr, _is_p2wpkh, _is_p2wsh, _is_p2pkh, _is_p2sh)


def _check_spend(number: int, tx_in: TxIn, script: bytes) -> None:
    if script == P2A_SCRIPT:
        if tx_in.witness:
            raise Rejected("bad-witness-anchor", f"input {number}: an anchor is spent without a witness")
    elif _is_p2tr(script):
        _check_taproot_witness(number, tx_in.witness)
    elif _is_p2wsh(script):
        _check_script_hash_witness(number, tx_in.witness)
    elif not _is_p2wpkh(script):
        raise Rejected("bad-txns-nonstandard-inputs", f"input {number} spends an output of another kind")


def _check_taproot_witness(number: int, witness: Sequence[bytes]) -> None:
    if len(witness) >= 2 and witness[-1][:1] == bytes([ANNEX_TAG]):
        raise Rejected("bad-witness-annex", f"input {number}")
    if len(witness) < 2:
        return
    *stack, script, control = witness
    if control[:1] and control[0] & 0xFE != LEAF_VERSION_TAPSCRIPT:
        raise Rejected("bad-witness-leaf-version", f"input {number}: {control[0] & 0xFE:#x}")
    depth = (len(control) - 33) // 32
    if depth > RELAYED_TREE_DEPTH:
        raise Rejected("bad-witness-depth", f"input {number}: leaf at depth {depth} > {RELAYED_TREE_DEPTH}")
    if len(stack) > MAX_STACK_ITEMS:
        raise Rejected("bad-witness-stack-size", f"input {number}: {len(stack)} items > {MAX_STACK_ITEMS}")
    longest = max(map(len, stack), default=0)
    if longest > MAX_STANDARD_TAPSCRIPT_ITEM:
        raise Rejected("bad-witness-item-size", f"input {number}: item of {longest} B > 80 B")
    check_tapscript(number, script)


def _check_script_hash_witness(number: int, witness: Sequence[bytes]) -> None:
    if not witness:
        return
    *stack, script = witness
    sizes = (len(script), len(stack), max(map(len, stack), default=0))
    for size, limit, what in zip(sizes, WITNESS_SCRIPT_LIMITS, ("script", "items", "item"), strict=True):
        if size > limit:
            raise Rejected("bad-witness-nonstandard", f"input {number}: P2WSH {what} {size} > {limit}")
