"""What the commands of `btc-l2 vm` run: a guest of the project by name, an ELF file, or plain bytes at an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from btc_l2.cli.arguments import parse_bytes, parse_register, parse_u32, read_file
from btc_l2.guests import find_guest, list_guests
from btc_l2.zkvm.blobs import blob_root
from btc_l2.zkvm.image import Image
from btc_l2.zkvm.layout import CLAIM_BYTES
from btc_l2.zkvm.outcome import Endian
from btc_l2.zkvm.state import Machine
from taproot.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Program:
    """An image and everything that the user says about its first state."""

    image: Image
    claim: bytes
    blobs: Mapping[bytes, bytes]  # by root
    registers: Mapping[str, int]  # numbers 0 … 31, pc, npc, hi, lo

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
        """A number or a symbol of the image."""
        return self.image.symbols[text] if text in self.image.symbols else parse_u32(text, "address")

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
) -> Program:
    """The program that the arguments of a command mean; InvalidInput says which of them is wrong."""
    loaded, known = _load_image(image, raw, endian)
    if statement is not None:
        loaded = loaded.with_statement(parse_bytes(statement, "statement"))
    given = parse_bytes(claim, "claim") if claim is not None else b""
    if len(given) > CLAIM_BYTES:
        raise InvalidInput(f"a claim has {len(given)} bytes; its leaves hold {CLAIM_BYTES}; shorten it")
    values = dict(parse_register(text) for text in registers)
    if values.get("0"):
        raise InvalidInput("$0 is always zero; the machine has no such state; set another register")
    contents = [read_file(Path(name)) for name in blobs]
    return Program(loaded, given, {**known, **{blob_root(data, loaded.endian): data for data in contents}}, values)


def _load_image(image: str, raw: str | None, endian: str | None) -> tuple[Image, Mapping[bytes, bytes]]:
    path = Path(image)
    if raw is not None:
        return Image.from_raw(read_file(path), parse_u32(raw, "address"), _parse_endian(endian)), {}
    if endian is not None:
        raise InvalidInput("--endian needs --raw; an ELF file says its byte order itself; leave it out")
    if path.exists():
        return Image.from_elf(read_file(path)), {}
    if image not in {guest.name for guest in list_guests()} and ("/" in image or "." in image):
        raise InvalidInput(f"there is no file {image}; nothing can be loaded; check the name")
    guest = find_guest(image)
    return guest.load_image(), guest.blobs()


def _parse_endian(text: str | None) -> Endian:
    match text:
        case "big" | "little":
            return text
        case None:
            raise InvalidInput("plain bytes have no byte order; --raw needs it; add --endian big or --endian little")
    raise InvalidInput(f"byte order {text!r} is unknown; there are two; give big or little")
