"""What one step changed, as text for a person: registers by name, control words, memory, the end of the run."""

from __future__ import annotations

from btc_l2.cli.arguments import REGISTER_NAMES
from btc_l2.zkvm.claim import StepClaim
from btc_l2.zkvm.outcome import EXITED, RUNNING

_QUIET = ("pc", "npc", "status", "heap")  # the next line shows them, or the text says it in words


def describe_change(claim: StepClaim) -> str:
    """`a0 := 0x5`, `[0x00500000] := 0x1 (was 0x0)`, `hi := 0x0`, `exit 0`, `trap 10`; empty where nothing changed."""
    parts = []
    if claim.dest:
        parts.append(f"{REGISTER_NAMES[claim.dest]} := {claim.result:#x}")
    if claim.key:
        parts.append(f"[{claim.address:#010x} …] := blob {claim.key.hex()}")
    elif claim.old != claim.new:
        parts.append(f"[{claim.address:#010x}] := {claim.new:#x} (was {claim.old:#x})")
    before = claim.before._asdict()
    parts += [
        f"{name} := {value:#x}"
        for name, value in claim.after._asdict().items()
        if name not in _QUIET and value != before[name]
    ]
    if claim.before.status == RUNNING != claim.after.status:
        parts.append(describe_end(claim.after.status))
    return ", ".join(parts)


def describe_end(status: int) -> str:
    """A STATUS that is not 0: `exit 7` or `trap 10`."""
    return f"{'exit' if status & 0xFFFF_FF00 == EXITED else 'trap'} {status & 0xFF}"
