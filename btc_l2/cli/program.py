"""What the commands of `btc-l2 vm` run: a guest of the project by name, an ELF file, or plain bytes at an address.

An ELF file is a program for the bare machine or (`linux`) one for Linux, which gets the micro kernel. What a Linux
program reads from stdin stands in its statement.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from btc_l2.blobstore import BlobStore, StoredBlobs, default_folder, read_blob_file
from btc_l2.cli.arguments import parse_bytes, parse_register, parse_u32, read_file
from btc_l2.guests import find_guest, list_guests, read_kernel
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.elf import parse_elf
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import CLAIM_BYTES
from btc_l2.zkvm.linux import linux_image, stdin_statement
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from btc_l2.zkvm.symbols import symbols_of
from taproot.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Program:
    """An image and everything that the user says about its first state."""

    image: Image
    claim: bytes
    blobs: Mapping[bytes, bytes]  # by root
    registers: Mapping[str, int]  # numbers 0 … 31, pc, npc, hi, lo
    linux: bool = False  # the micro kernel is part of the image

    def machine(self) -> Machine:
        """The machine before its first step."""
        machine = self.image.machine(self.claim, self.blobs)
        control = {name: value for name, value in self.registers.items() if not name.isdigit()}
        if "pc" in control:
            control = {"npc": control["pc"] + 4 & 0xFFFF_FFFF, **control}
        machine.control = machine.control._replace(**control)
        for name, value in self.registers.items():
            if name.isdigit():
                machine.set_register(int(name), value)
        return machine

    def find_address(self, text: str) -> int:
        """A symbol of the image (also a function that only Go's own tables name) or a number."""
        if text in self.image.symbols:
            return self.image.symbols[text]
        if text[:1].isdigit():
            return parse_u32(text, "address")
        found = symbols_of(self.image).addresses
        if text not in found:
            near = difflib.get_close_matches(text, found, 1)
            raise InvalidInput(
                f"no symbol is called {text!r}; the image has {len(found)} others; "
                + (f"perhaps {near[0]} is meant" if near else "give its address, 0x…")
            )
        return found[text]

    def find_range(self, text: str) -> tuple[int, int]:
        """`ADDR:LEN` or `SYMBOL:LEN` → address and number of bytes, inside the 4 GiB of memory."""
        where, _, length = text.rpartition(":")
        start, count = self.find_address(where), parse_u32(length, "length")
        if start + count > 1 << 32:
            raise InvalidInput(f"range {text!r} ends behind the memory of 4 GiB; there is nothing; shorten it")
        return start, count


def load_program(
    image: str,
    raw: str | None = None,
    endian: str | None = None,
    statement: str | None = None,
    claim: str | None = None,
    registers: Sequence[str] = (),
    blobs: Sequence[str] = (),
    linux: bool = False,
    stdin: str | None = None,
    store: str | None = None,
) -> Program:
    """The program that the arguments of a command mean; InvalidInput says which of them is wrong.

    It may map the blobs that come with it, the files `blobs`, and what the blob store in the folder `store` holds.
    """
    if linux and raw is not None:
        raise InvalidInput("--linux and --raw exclude each other; a Linux program is an ELF file; leave one out")
    loaded, known, linux = _load_linux(image) if linux else _load_image(image, raw, endian)
    if statement is not None:
        loaded = loaded.with_statement(parse_bytes(statement, "statement"))
    if stdin is not None:
        loaded = _with_stdin(loaded, stdin, linux and statement is None)
    given = parse_bytes(claim, "claim") if claim is not None else b""
    if len(given) > CLAIM_BYTES:
        raise InvalidInput(f"a claim has {len(given)} bytes; its leaves hold {CLAIM_BYTES}; shorten it")
    values = dict(parse_register(text) for text in registers)
    if values.get("0"):
        raise InvalidInput("$0 is always zero; the machine has no such state; set another register")
    contents = [read_blob_file(Path(name)) for name in blobs]
    mapped = {**known, **{blob_root(data, loaded.endian): data for data in contents}}
    kept = BlobStore(Path(store) if store is not None else default_folder())
    return Program(loaded, given, StoredBlobs(kept, loaded.endian, mapped), values, linux)


def _load_linux(image: str) -> tuple[Image, Mapping[bytes, bytes], bool]:
    path = Path(image)
    program = read_file(path)
    return linux_image(program, read_kernel(parse_elf(program).endian), (path.name,)), {}, True


def _with_stdin(image: Image, name: str, possible: bool) -> Image:
    if not possible:
        raise InvalidInput("--stdin is the statement of a Linux program; here it is another program or --statement "
                           "is given too; leave one of them out")  # fmt: skip
    return image.with_statement(stdin_statement(read_file(Path(name)), image.endian))


def _load_image(image: str, raw: str | None, endian: str | None) -> tuple[Image, Mapping[bytes, bytes], bool]:
    """Image, the blobs that come with it, and whether it has the micro kernel."""
    path = Path(image)
    if raw is not None:
        return Image.from_raw(read_file(path), parse_u32(raw, "address"), _parse_endian(endian)), {}, False
    if endian is not None:
        raise InvalidInput("--endian needs --raw; an ELF file says its byte order itself; leave it out")
    if path.exists():
        return Image.from_elf(read_file(path)), {}, False
    if image not in {guest.name for guest in list_guests()} and ("/" in image or "." in image):
        raise InvalidInput(f"there is no file {image}; nothing can be loaded; check the name")
    guest = find_guest(image)
    return guest.load_image(), guest.blobs(), guest.kernel


def _parse_endian(text: str | None) -> Endian:
    match text:
        case "big" | "little":
            return text
        case None:
            raise InvalidInput("plain bytes have no byte order; --raw needs it; add --endian big or --endian little")
    raise InvalidInput(f"byte order {text!r} is unknown; there are two; give big or little")
