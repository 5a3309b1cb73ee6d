"""`python -m challenger.model` (`make model`): every play of the shipped graph, then the mutants; 1 on any failure.

The graph is that of the default terms with two challengers; mutants change one with two rounds of search.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from challenger.model.check import Caught, catch, check_graph
from challenger.model.explore import Findings
from challenger.model.mutants import all_mutants
from challenger.sample import FEW_ROUNDS, sample_graph
from taproot.terms import Terms

_ROW = "{:<34} {:>9} {:>12} {:>9}   {}"


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 if a property fails or a mutant is not caught."""
    parser = argparse.ArgumentParser(prog="python -m challenger.model", description=__doc__)
    parser.add_argument("--few-rounds", action="store_true", help="a search of two rounds instead of the default terms")
    few = parser.parse_args(arguments).few_rounds
    terms, small = Terms(), Terms(arities=FEW_ROUNDS)
    failed = _show_plays(check_graph(sample_graph(small if few else terms)), terms if not few else small)
    print(f"\nTwo games at once, search of {len(FEW_ROUNDS)} rounds")
    failed += _show_plays(check_graph(sample_graph(small), both_games=True), small)
    failed += _show_mutants(catch(sample_graph(small), all_mutants()))
    print(f"\n{failed} failed" if failed else "\nall properties hold, all mutants are caught")
    return 1 if failed else 0


def _show_plays(findings: Iterable[Findings], terms: Terms) -> int:
    print(f"take2 after {terms.total_delay} blocks, a turn has {terms.move_delay}, an answer {terms.reaction}\n")
    print(_ROW.format("play", "states", "transitions", "last kill", "result"))
    failed = 0
    for found in findings:
        result = "; ".join(v.what for v in found.violations) or "holds"
        print(_ROW.format(found.play, found.states, found.transitions, found.longest or "", result))
        for violation in found.violations[:1]:
            failed += 1
            _show_trace(violation.trace)
    return failed


def _show_mutants(caught: Iterable[Caught]) -> int:
    print("\nMutants")
    missed = 0
    for found in caught:
        if found.violation is None:
            missed += 1
            print(f"MISSED  {found.mutant}")
            continue
        print(f"caught  {found.mutant}\n        by {found.play}: {found.violation.what}")
        _show_trace(found.violation.trace)
    return missed


def _show_trace(trace: Sequence[str]) -> None:
    print(f"        {' → '.join(trace)}" if trace else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
