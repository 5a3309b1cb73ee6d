"""The translated tier: hot blocks of a guest as native code (`docs/translated.md`).

An accelerator, no third definition of the machine: its code knows the ordinary course only. Wherever something else
could happen (trap, system call, first store to a page, store to a page with translated code, an address outside
program memory) it stands still before that step, and the interpreter (`kernel/`) makes it.

`blocks` cuts code into straight lines, `writer` and the files beside it write LLVM's language for them, `module` puts
the functions together, `translation` is the result and its form as a file, `load` brings it into the process as a
tier (`tiers.py`). `profile` finds out what is hot.
"""
