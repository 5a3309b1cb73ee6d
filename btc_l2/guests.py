"""The guest programs that come with the project: where they are, what they are about, what they compute.

`guest/build` compiles them and writes `guest/MANIFEST.toml`; this module reads the manifest and the images from
the source tree or, in an installed wheel, from the package's own folder `guest_images`. An image is used only if
its SHA-256 is the manifest's. The image of a Linux program (Go) is compressed and gets the micro kernel, which comes
with the project too (`docs/spec/linux.md`).

The examples share one convention (`guest/examples/start.S`, for Go `guest/examples/zkvm`): the claim that they accept
is the 32 bytes that they leave at `result_address`, followed by 96 zero bytes. So running one with a zero claim shows
the honest claim. A program that decides nothing and exits with 0 accepts every claim.
"""

from __future__ import annotations

import hashlib
import lzma
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.linux import linux_image
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput, Unavailable, VerificationFailed

RESULT_BYTES = 32
CLAIM_BYTES = 128
MOST_STEPS = 1 << 32  # as many as the search of the dispute can cover
DECIDED = (0, 1)  # exit codes of `start.S`: the claim is right, the claim is wrong
_KERNEL_TABLE = "kernel"  # of the manifest; every other table is a guest
_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "guest_images", _PACKAGE.parent / "guest")  # wheel, source tree


@dataclass(frozen=True, slots=True)
class Guest:
    """One row of the manifest."""

    name: str
    description: str
    path: Path  # the ELF file, compressed if its name ends with .xz
    sha256: bytes  # of the ELF file
    endian: Endian
    sources_sha256: bytes  # over the SHA-256 of each source; `guest/build --check` compares it
    compiler: str  # first line of `gcc --version`, or the version of Go
    kernel: bool  # a Linux program: the micro kernel is in its image
    entry: int  # of the ELF file
    result_address: int  # of the 32 bytes that the claim must begin with
    root: bytes  # image root with the default statement and a zero claim
    statement: bytes  # default statement
    blob: bytes  # what the default statement's MAP root stands for; empty where the guest maps nothing
    steps: int  # of the default run, the halt included
    boot_steps: int  # before the image is taken

    def read_elf(self) -> bytes:
        """Bytes of the image; VerificationFailed if they are not those that the manifest names."""
        return _read_image(self.path, self.sha256)

    def load_image(self, statement: bytes | None = None) -> Image:
        """The image with a statement, the default one if none is given."""
        content = self.statement if statement is None else statement
        if self.kernel and not self.boot_steps:  # after its boot the kernel is in the file
            return linux_image(self.read_elf(), read_kernel(self.endian), (self.name,), statement=content)
        return Image.from_elf(self.read_elf(), content)

    def blobs(self) -> Mapping[bytes, bytes]:
        """What the default statement may map, by root."""
        return {blob_root(self.blob, self.endian): self.blob} if self.blob else {}

    def honest_claim(self, statement: bytes | None = None, blobs: Mapping[bytes, bytes] | None = None) -> bytes:
        """The claim that the guest accepts for a statement, found by running it once with a zero claim.

        `blobs` by root is what the run may map, by default the blob of the default statement. InvalidInput if the guest
        refuses the statement or does not halt within MOST_STEPS.
        """
        from btc_l2.zkvm.fast import run  # loads numba

        machine = self.load_image(statement).machine(blobs=self.blobs() if blobs is None else blobs)
        run(machine, MOST_STEPS)
        if machine.exit_code not in DECIDED:
            raise InvalidInput(
                f"{self.name} does not decide about this statement; status {machine.control.status:#010x}; "
                "see guest/README.md for its fields"
            )
        return claim_of_result(machine.read_bytes(self.result_address, RESULT_BYTES))


def list_guests() -> tuple[Guest, ...]:
    """All guests of the manifest, in its order."""
    folder = _find_folder()
    rows = _parse_manifest(_read(folder / "MANIFEST.toml"))
    return tuple(_guest(name, row, folder) for name, row in rows.items() if name != _KERNEL_TABLE)


def read_kernel(endian: Endian) -> bytes:
    """ELF file of the micro kernel; VerificationFailed if it is not the one that the manifest names."""
    folder = _find_folder()
    row = _parse_manifest(_read(folder / "MANIFEST.toml"))[_KERNEL_TABLE][endian]
    return _read_image(folder / row["image"], bytes.fromhex(row["sha256"]))


def find_guest(name: str) -> Guest:
    """The guest called `name`, its image verified; InvalidInput for an unknown name."""
    guests = {guest.name: guest for guest in list_guests()}
    if name not in guests:
        raise InvalidInput(f"no guest is called {name!r}; choose one of {', '.join(guests)}")
    guests[name].read_elf()
    return guests[name]


def claim_of_result(result: bytes) -> bytes:
    """The 128-byte claim that the examples accept for a 32-byte result."""
    if len(result) != RESULT_BYTES:
        raise InvalidInput(f"a result has {len(result)} bytes; the examples leave {RESULT_BYTES}; give these")
    return result.ljust(CLAIM_BYTES, b"\0")


def _find_folder() -> Path:
    for folder in _FOLDERS:
        if (folder / "MANIFEST.toml").is_file():
            return folder
    raise Unavailable("the guests' manifest is missing; neither wheel nor source tree holds it; run `make guests`")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {path.name}; {error.strerror}; rebuild with `make guests`") from error


def _read_image(path: Path, expected: bytes) -> bytes:
    """The ELF file in a file of the images, checked against its SHA-256."""
    data = _read(path)
    try:
        elf = lzma.decompress(data) if path.suffix == ".xz" else data
    except lzma.LZMAError:
        elf = b""  # what does not decompress is not the image either
    if hashlib.sha256(elf).digest() != expected:
        raise VerificationFailed(
            f"{path.name} is not the image of the manifest; its SHA-256 differs; rebuild with `make guests`"
        )
    return elf


def _parse_manifest(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except ValueError as error:
        raise VerificationFailed(f"the guests' manifest does not parse; {error}; rebuild with `make guests`") from error


def _guest(name: str, row: dict[str, Any], folder: Path) -> Guest:
    return Guest(
        name=name,
        description=row["description"],
        path=folder / row["image"],
        sha256=bytes.fromhex(row["sha256"]),
        endian=row["endian"],
        sources_sha256=bytes.fromhex(row["sources_sha256"]),
        compiler=row["compiler"],
        kernel=row["kernel"],
        entry=row["entry"],
        result_address=row["result_address"],
        root=bytes.fromhex(row["root"]),
        statement=bytes.fromhex(row["statement"]),
        blob=bytes.fromhex(row["blob"]),
        steps=row["steps"],
        boot_steps=row["boot_steps"],
    )
