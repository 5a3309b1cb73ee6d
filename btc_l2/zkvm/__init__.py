"""The zkMIPS machine: MIPS32 release 2 whose whole state is one Merkle root.

`isa` lists the instructions, `instructions/` says what each does, `step` executes one of them readably, `fast` runs
hundreds of millions of them per second, `trace` keeps a long run, `witness` explains one step to the script on
Bitcoin, `image` and `elf` load programs. Normative text: `docs/spec/machine.md`.
"""
