"""The fast machine: the instructions once more, compiled by numba into one loop.

`loop.run_steps` is the entry point; the other files hold its arms, grouped as the opcodes are. Every arm checks what
it needs and answers False before it changes anything where the readable step has to decide: traps, exits, MAP,
words that are no instruction, pages that are not here. So this code knows the ordinary course only.

Rules of the house: every local is wrapped in `np.uint32` (numba widens sums to 64 bits otherwise); constants are typed
globals; a store marks its page in `dirty`.
"""
