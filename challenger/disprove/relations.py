from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from btc_l2.zkvm.isa import BY_NAME
from challenger.disprove import arithmetic
from challenger.disprove.control import BAD, begin, require_running
from challenger.disprove.effect import no_store
from challenger.disprove.pattern import require_pattern
from taproot.script import Script

@dataclass(frozen=True, slots=True)
class Relation:
    name: str
    proves: str
    body: Script

@lru_cache(maxsize=None)
def relation(name: str, big_endian: bool = True) -> Relation:
    s = begin()
    arithmetic.addu(s)
    no_store(s)
    require_running(s)
    require_pattern(s, BY_NAME[name].mask, BY_NAME[name].match)
    return Relation(name, "", s.finish(BAD))
