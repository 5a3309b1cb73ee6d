"""The guests, with the default statement of each (its fields: head of the guest's main file, `guest/README.md`)."""

from __future__ import annotations

import hashlib

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.linux import stdin_statement
from guest.builder.c import SMALL
from guest.builder.recipe import Recipe

ASM_SHARED = ("start.S", "guest.ld")
C_SHARED = (*ASM_SHARED, "guest.h")
GO_PAGES = ("zkvm/pages.go", "zkvm/machine.go", "zkvm/native.go")
KERNEL_FILES = ("kernel.ld", "kernel.h", "entry.S", "calls.c", "threads.c", "files.c")
KERNEL_SOURCES = tuple(f"../kernel/{name}" for name in KERNEL_FILES)
RUST_WORKSPACE = ("rust/Cargo.toml", "rust/Cargo.lock")
RUST_PAGES = (*ASM_SHARED, *(f"rust/zkvm/{name}" for name in ("Cargo.toml", "lib.rs", "machine.rs", "native.rs")))
LIBC_SOURCES = ("../builder/musl.py", "../softfloat/Cargo.lock", "../softfloat/Cargo.toml", "../softfloat/lib.rs")
GO_LIBRARY_INPUT = b"""[{"name": "genesis", "value": 1231006505}, {"name": "halving", "value": 210000},
 {"name": "weight", "value": 4000000}, {"name": "hash", "value": 256}, {"name": "taproot", "value": 709632}]"""
SEED = hashlib.sha256(b"btc-l2 hashchain").digest()
BINARY_BLOB = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(8))
TEXT_BLOB = b"""The Times 03/Jan/2009 Chancellor on brink of second bailout for banks. A purely peer-to-peer version of
electronic cash would allow online payments to be sent directly from one party to another without going through a
financial institution. The network timestamps transactions by hashing them into an ongoing chain of proof-of-work."""
SHA256 = ("corpus/sha256.h", "corpus/sha256.c")
P256_KEY = bytes.fromhex(  # RFC 6979, A.2.5: x, y; signature of "sample" with SHA-256: r, s
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
P256_SIGNATURE = bytes.fromhex(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)
LIBC_INPUT = b"3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 3 2 3 8 4\n2.5 1e3 -7\n"


def kernels() -> tuple[Recipe, ...]:
    """The micro kernel, in both byte orders."""
    return (
        Recipe("kernel-big", "micro kernel", "big", KERNEL_SOURCES, optimize=SMALL),
        Recipe("kernel-little", "micro kernel", "little", KERNEL_SOURCES, optimize=SMALL),
    )


def recipes() -> tuple[Recipe, ...]:
    """All guests, in the order of the manifest."""
    return (*_bare(), *_corpus(), *_go(), *_libc(), *_rust())


def _bare() -> tuple[Recipe, ...]:
    """C and assembler, larger programs."""
    return (
        Recipe("hashchain", "SHA-256 chain of 40,000 rounds (C, big endian)", "big",
               (*C_SHARED, "hashchain/main.c"), SEED + (40_000).to_bytes(4, "big")),
        Recipe("sortproof", "quicksort of 262,144 records of 64 bytes (C, little endian)", "little",
               (*C_SHARED, "sortproof/main.c"), SEED[:16] + (262_144).to_bytes(4, "little")),
        Recipe("fibonacci", "1,000 Fibonacci numbers and their CRC-32 (assembler, big endian)", "big",
               (*ASM_SHARED, "fibonacci/main.S"), (1000).to_bytes(4, "big")),
        Recipe("blobsum", "sum of a blob brought in with MAP (assembler, big endian)", "big",
               (*ASM_SHARED, "blobsum/main.S"), _mapped(BINARY_BLOB) + (3).to_bytes(4, "big") + (64).to_bytes(4, "big"),
               BINARY_BLOB),
    )  # fmt: skip


def _corpus() -> tuple[Recipe, ...]:
    """Published algorithms in C, byte for byte the same in both byte orders."""
    aes = (256).to_bytes(4, "big") + bytes(range(32)) + SEED[:16] + (100).to_bytes(4, "big")
    sample = P256_KEY + P256_SIGNATURE + _counted(b"sample")
    return (
        Recipe("sha256", "SHA-256 of a message (C, big endian)", "big",
               _bytes_of("sha256_main.c", *SHA256), _counted(TEXT_BLOB)),
        Recipe("sha256-little", "SHA-256 of a message (C, little endian)", "little",
               _bytes_of("sha256_main.c", *SHA256), _counted(TEXT_BLOB)),
        Recipe("sha3", "SHA3-256 of a message (C, big endian)", "big", _bytes_of("sha3_main.c"), _counted(TEXT_BLOB)),
        Recipe("aes", "AES-256, 100 times over and back (C, big endian)", "big", _bytes_of("aes_main.c"), aes),
        Recipe("crc32", "CRC-32 of a mapped blob (C, little endian)", "little", _bytes_of("crc32_main.c"),
               blob_root(TEXT_BLOB, "little") + (1).to_bytes(4, "big") + len(TEXT_BLOB).to_bytes(4, "big"), TEXT_BLOB),
        Recipe("p256", "ECDSA P-256 verification of the example of RFC 6979 (C, big endian)", "big",
               _bytes_of("p256_main.c", *SHA256), sample),
        Recipe("p256-little", "ECDSA P-256 verification of the example of RFC 6979 (C, little endian)", "little",
               _bytes_of("p256_main.c", *SHA256), sample),
    )  # fmt: skip


def _go() -> tuple[Recipe, ...]:
    stress = "goroutines, locks, timers, collections, threads, panics"
    return (
        Recipe("go-hello", "greets and repeats its stdin (Go, big endian)", "big",
               ("go.mod", "go-hello/main.go"), stdin_statement(b"chancellor", "big"), toolchain="go"),
        Recipe("go-sha256", "SHA-256 chain of 10,000 rounds (Go, big endian)", "big",
               (*KERNEL_SOURCES, "go.mod", *GO_PAGES, "go-sha256/main.go"), SEED + (10_000).to_bytes(4, "big"),
               toolchain="go", boot=True),
        Recipe("go-blob", "SHA-256 of a mapped blob (Go, big endian)", "big",
               (*KERNEL_SOURCES, "go.mod", *GO_PAGES, "go-blob/main.go"),
               _mapped(TEXT_BLOB) + len(TEXT_BLOB).to_bytes(4, "big"), TEXT_BLOB, toolchain="go", boot=True),
        Recipe("go-workload", "JSON, maps, sorting and strings, 10 rounds (Go, big endian)", "big",
               (*KERNEL_SOURCES, "go.mod", *GO_PAGES, "go-workload/main.go"), SEED + (10).to_bytes(4, "big"),
               toolchain="go", boot=True),
        Recipe("go-stress", f"{stress} (Go, big endian)", "big", ("go.mod", "go-stress/main.go"), toolchain="go"),
        Recipe("go-stress-old", f"{stress} (an older Go, big endian)", "big", ("old.mod", "go-stress/main.go"),
               toolchain="go-old"),
        Recipe("go-library", "JSON, sorting, big integers, maps, floats (Go, big endian)", "big",
               ("go.mod", "go-library/main.go"), stdin_statement(GO_LIBRARY_INPUT, "big"), toolchain="go"),
    )  # fmt: skip


def _libc() -> tuple[Recipe, ...]:
    """C with a static library, as ordinary programs for Linux."""
    return (
        Recipe("c-library", "numbers from stdin: malloc, qsort, printf, threads (C with musl, big endian)", "big",
               (*LIBC_SOURCES, "c-library/main.c"), stdin_statement(LIBC_INPUT, "big"), toolchain="libc"),
    )  # fmt: skip


def _rust() -> tuple[Recipe, ...]:
    def sources(name: str, *shared: str) -> tuple[str, ...]:
        return (*RUST_WORKSPACE, *shared, f"rust/{name}/Cargo.toml", f"rust/{name}/main.rs")

    return (
        Recipe("rust-orders", "order book, 20,000 orders (Rust without std, big endian)", "big",
               sources("rust-orders", *RUST_PAGES), SEED + (20_000).to_bytes(4, "big"), toolchain="rust"),
        Recipe("rust-words", "words of a blob (Rust without std, big endian)", "big",
               sources("rust-words", *RUST_PAGES), _mapped(TEXT_BLOB) + len(TEXT_BLOB).to_bytes(4, "big"), TEXT_BLOB,
               toolchain="rust"),
        Recipe("rust-library", "threads, channels, locks, hash map (Rust with std, big endian)", "big",
               sources("rust-library", "../builder/musl.py"), stdin_statement(TEXT_BLOB, "big"), toolchain="rust-std"),
    )  # fmt: skip


def _bytes_of(main: str, *shared: str) -> tuple[str, ...]:
    """Sources of a guest of the corpus."""
    return (*C_SHARED, "corpus/memory.c", *shared, f"corpus/{main}")


def _counted(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _mapped(blob: bytes) -> bytes:
    """What a big-endian guest maps."""
    return blob_root(blob, "big")
