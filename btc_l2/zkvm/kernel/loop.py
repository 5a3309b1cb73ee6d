"""The loop of the fast machine: fetch, choose the arm, go on; stop where the readable step has to decide.

There are two entry points: the interpreter alone, and the interpreter with translated code (`docs/translated.md`).
"""

from __future__ import annotations

import numpy as np

from btc_l2.zkvm import isa
from btc_l2.zkvm.jit import call_native, compiled, inlined
from btc_l2.zkvm.kernel.fields import N0, N1, N2, N4, N8, N26, N31, RD, RS, RT, SA, U8, U32, U64, put, rd, rs, rt, simm
from btc_l2.zkvm.kernel.immediate import one_register, special2, special3
from btc_l2.zkvm.kernel.memory import LOW_WORD, SPAN_WORDS, is_loadable, load, store, word_index
from btc_l2.zkvm.kernel.special import conditional_trap, hi_lo, shift, two_registers
from btc_l2.zkvm.layout import KERNEL_ENTRY

STOP = np.uint64(1 << 32)  # in place of a next address: the readable step decides

_LOOP_OF_256_MIB = np.uint32(0xF000_0000)
_INDEX = np.uint32(0x03FF_FFFF)
_ENTER, _NOP = np.uint32(0x0C), np.uint32(0xCC)
_MTC0_USERLOCAL, _MTC0_MASK = (
    np.uint32(isa.BY_NAME["MTC0_USERLOCAL"].match),
    np.uint32(isa.BY_NAME["MTC0_USERLOCAL"].mask),
)
_FUNCTION = np.uint32(63)
_RETURN_OF_KERNEL = np.uint32(26)
_KERNEL, _AFTER_KERNEL = np.uint32(KERNEL_ENTRY), np.uint32(KERNEL_ENTRY + 4)
_TLS, _LL = np.uint32(7), np.uint32(6)
_NO_TABLE = np.full(2, (1 << 64) - 1, dtype=np.uint64)  # one row that no address finds
_NO_HOST = np.zeros(2, dtype=np.uint64)


@inlined
def after_jump_register(i: np.uint32, fn: np.uint32, r: U32, npc: np.uint32) -> np.uint64:
    """JR and JALR: address after the delay slot."""
    target = r[rs(i)]
    if i & RT or (fn == 0x08 and i & RD):
        return STOP
    if fn == 0x09:
        put(r, rd(i), np.uint32(npc + N4))
    return np.uint64(target)


@inlined
def after_branch(i: np.uint32, op: np.uint32, r: U32, npc: np.uint32) -> np.uint64:
    """BEQ BNE BLEZ BGTZ: address after the delay slot."""
    a, b = r[rs(i)], r[rt(i)]
    if op == 0x05:
        taken = a != b
    elif op == 0x04:
        taken = a == b
    else:
        if i & RT:
            return STOP
        taken = np.int32(a) <= 0 if op == 0x06 else np.int32(a) > 0
    return np.uint64(np.uint32(npc + np.uint32(simm(i) << N2)) if taken else np.uint32(npc + N4))


@inlined
def after_regimm(i: np.uint32, r: U32, npc: np.uint32) -> np.uint64:
    """BLTZ BGEZ BLTZAL BGEZAL, traps with an immediate, SYNCI: address after the delay slot."""
    a, kind = r[rs(i)], rt(i)
    link = np.uint32(npc + N4)
    if kind == 0x1F:
        return np.uint64(link)
    if kind & ~np.uint32(0x11) == 0:
        taken = np.int32(a) >= 0 if kind & N1 else np.int32(a) < 0
        if kind >= 0x10:
            r[N31] = link
        return np.uint64(np.uint32(npc + np.uint32(simm(i) << N2)) if taken else link)
    if kind & ~np.uint32(7) == N8 and conditional_trap(np.uint32(kind - N8), a, simm(i)):
        return np.uint64(link)
    return STOP


@inlined
def special(i: np.uint32, fn: np.uint32, r: U32, c: U32) -> bool:
    """Opcode SPECIAL without the jumps and SYSCALL 0."""
    if fn >= 0x30:
        return bool(fn < 0x38 and conditional_trap(np.uint32(fn - np.uint32(0x30)), r[rs(i)], r[rt(i)]))
    if fn >= 0x20:
        return two_registers(i, fn, r)
    if fn < 0x08:
        return shift(i, fn, r)
    if fn >= 0x10:
        return hi_lo(i, fn, r, c)
    if fn == 0x0A or fn == 0x0B:
        if i & SA:
            return False
        if (r[rt(i)] == 0) == (fn == 0x0A):
            put(r, rd(i), r[rs(i)])
        return True
    if fn == 0x0F:
        return bool(i & (RS | RT | RD) == 0)
    return bool(i == _NOP)


@inlined
def move_to_userlocal(i: np.uint32, r: U32, c: U32) -> bool:
    """MTC0 rt, $4, 2."""
    if i & _MTC0_MASK != _MTC0_USERLOCAL:
        return False
    c[_TLS] = r[rt(i)]
    return True


@inlined
def run_loop(
    mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64, table: U64, host: U64
) -> np.int64:
    """The loop of both entry points; `table` and `host`: see `run_translated`."""
    pc, npc = c[N0], c[N1]
    n = np.int64(0)
    jumps = True
    mask = np.uint32(len(table) // 2 - 1)
    while n < limit:
        if npc != np.uint32(pc + N4):
            jumps = True
        elif jumps:
            jumps = False
            row = np.uint32(np.uint32(np.uint32(pc >> N2) & mask) << N1)
            if table[row] == np.uint64(pc):
                c[N0], c[N1] = pc, npc
                n = limit - call_native(np.int64(table[row + N1]), np.int64(host[0]), np.int64(host[1]), limit - n)
                pc, npc = c[N0], c[N1]
                if n >= limit:
                    break
        w = word_index(pc)
        if np.uint32(w - LOW_WORD) >= SPAN_WORDS and (w >= np.uint32(1 << 30) or not is_loadable(pc, missing)):
            break
        i = mem[w]
        op = np.uint32(i >> N26)
        after = np.uint64(np.uint32(npc + N4))
        ok = True
        if op == 0:
            fn = np.uint32(i & _FUNCTION)
            if fn == 0x08 or fn == 0x09:
                after = after_jump_register(i, fn, r, npc)
                ok = after != STOP
            elif i == _ENTER:
                r[_RETURN_OF_KERNEL] = npc
                npc, after = _KERNEL, np.uint64(_AFTER_KERNEL)
                c[_LL] = N0
            else:
                ok = special(i, fn, r, c)
        elif op >= 0x20:
            if op < 0x28 or op == 0x30:
                ok = op != 0x27 and load(i, op, r, c, mem, missing, flip)
            elif op < 0x2F or op == 0x38:
                ok = op != 0x2C and op != 0x2D and store(i, op, r, c, mem, dirty, flip)
            else:
                ok = op == 0x33
        elif op >= 0x08:
            if op < 0x10:
                ok = one_register(i, op, r)
            elif op == 0x1C:
                ok = special2(i, r, c)
            elif op == 0x1F:
                ok = special3(i, r, c)
            else:
                ok = op == 0x10 and move_to_userlocal(i, r, c)
        elif op >= 0x04:
            after = after_branch(i, op, r, npc)
            ok = after != STOP
        elif op == 0x01:
            after = after_regimm(i, r, npc)
            ok = after != STOP
        else:
            if op == 0x03:
                r[N31] = np.uint32(npc + N4)
            after = np.uint64(np.uint32(npc & _LOOP_OF_256_MIB) | np.uint32(np.uint32(i & _INDEX) << N2))
        if not ok:
            break
        pc, npc = npc, np.uint32(after)
        n += 1
    c[N0], c[N1] = pc, npc
    return n


@compiled
def run_steps(mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64) -> np.int64:
    """Run up to `limit` steps; the number made, less where the readable step has to make the next one.

    mem[2^30] words, r[32] registers, c[8] control words, dirty[2^20] marks of pages, missing[64] regions of 64 MiB
    whose content is not here. The machine must be running and $0 be zero.
    """
    return run_loop(mem, r, c, dirty, missing, flip, limit, _NO_TABLE, _NO_HOST)


@compiled
def run_translated(
    mem: U32, r: U32, c: U32, dirty: U8, missing: U8, flip: np.uint32, limit: np.int64, table: U64, host: U64
) -> np.int64:
    """`run_steps`, but where a jump leads to translated code that code runs, until it stands before a step that it
    leaves to the loop.

    table[2k] is an address of the guest, table[2k + 1] its native code, k being the bits of the address above the
    lowest two. host[0] is the address of `r` (`c` and the address of `table` stand behind it), host[1] that of `mem`
    (`dirty` stands before it).
    """
    return run_loop(mem, r, c, dirty, missing, flip, limit, table, host)
