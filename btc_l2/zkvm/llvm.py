"""The door to llvmlite: from LLVM's language to an object file, from an object file to code in this process.

Only this module imports llvmlite (decision 0019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite
import llvmlite.binding as binding
from llvmlite import ir

from taproot.errors import InvalidInput, Unavailable

_SUPPORTED = ("x86_64",)  # tail calls of the plain convention and little-endian words are relied on
_OPTIMIZE = 1


def describe_host() -> str:
    """What native code depends on: processor, its features, the versions of llvmlite and LLVM."""
    features = binding.get_host_cpu_features().flatten()
    version = ".".join(map(str, binding.llvm_version_info))
    return f"{_triple()} {binding.get_host_cpu_name()} {features} llvmlite {llvmlite.__version__} LLVM {version}"


def is_supported() -> bool:
    """Whether this processor can run the translated tier."""
    return _triple().split("-")[0] in _SUPPORTED


def compile_object(module: str) -> bytes:
    """An object file of a module; InvalidInput if it is not LLVM's language, Unavailable on another processor."""
    machine = _target_machine()
    try:
        parsed = binding.parse_assembly(module)
        parsed.verify()
    except RuntimeError as error:
        raise InvalidInput(f"LLVM does not accept the module; {error}; translate again") from error
    return bytes(machine.emit_object(parsed))


@dataclass(frozen=True, slots=True)
class Library:
    """Code of an object file in this process, as long as this value is kept."""

    symbols: dict[str, int]  # addresses
    _keep: tuple[Any, ...]


def load_object(content: bytes, symbols: tuple[str, ...]) -> Library:
    """Bring an object file into the process; InvalidInput if it is none."""
    jit = binding.create_lljit_compiler(_target_machine(), use_jit_link=True)
    builder = binding.JITLibraryBuilder().add_object_img(content)
    for symbol in symbols:
        builder.export_symbol(symbol)
    try:
        tracker = builder.link(jit, "guest")
        found = {symbol: tracker[symbol] for symbol in symbols}
    except (RuntimeError, KeyError) as error:
        raise InvalidInput(f"the object file does not load; {error}; translate again") from error
    return Library(found, (jit, tracker))


def call_address(builder: Any, address: Any, arguments: list[Any]) -> Any:
    """LLVM instruction that calls an address with 64-bit arguments and result (for `jit.call_native`)."""
    word = ir.IntType(64)
    function = ir.FunctionType(word, [word] * len(arguments))
    return builder.call(builder.inttoptr(address, function.as_pointer()), arguments)


def _triple() -> str:
    return str(binding.get_process_triple())


@lru_cache(maxsize=1)
def _initialized() -> bool:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return True


def _target_machine() -> Any:
    if not is_supported():
        raise Unavailable(f"no translated tier for {_triple()}; it is written for {_SUPPORTED[0]}; go on without it")
    assert _initialized()
    target = binding.Target.from_triple(_triple())
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=_OPTIMIZE,
        reloc="pic",
        codemodel="small",
    )
