"""The manifest says what the committed images are, and the loader believes nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from btc_l2 import guests
from btc_l2.guests import CLAIM_BYTES, Guest, claim_of_result, find_guest, list_guests, read_kernel
from btc_l2.zkvm.elf import find_symbol, parse_elf
from btc_l2.zkvm.fast import run
from btc_l2.zkvm.linux import RESULT
from btc_l2.zkvm.outcome import Endian
from taproot.errors import InvalidInput, Unavailable, VerificationFailed
from tests.guest import oracles

ROOT = Path(guests.__file__).parents[1]
CORPUS = ["sha256", "sha256-little", "sha3", "aes", "crc32", "p256", "p256-little"]
NAMES = ["hashchain", "sortproof", "fibonacci", "blobsum", *CORPUS]
RUST_NAMES = ["rust-orders", "rust-words"]  # without an operating system
GO_NAMES = ["go-hello", "go-sha256", "go-blob", "go-workload", "go-stress", "go-stress-old", "go-library"]
LINUX_NAMES = [*GO_NAMES, "c-library", "rust-library"]
LARGEST_IMAGE = 110_000  # bytes; the images are committed
LARGEST_FILE = 1_000_000  # bytes of an image as it is committed
MOST_PACKED = 4_000_000  # of all together
PLACES = (str(ROOT).encode(), b"/tmp/", b"/home/", b"/root/", b".cargo", b".rustup")
SEARCHABLE = 1 << 28  # steps of the demo's search
LONG = 10**8


@pytest.fixture(params=[*NAMES, *RUST_NAMES])
def guest(request: pytest.FixtureRequest) -> Guest:
    return find_guest(request.param)


def copy_guests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of guests that a test may spoil, in place of the real one."""
    shutil.copytree(ROOT / "guest" / "images", folder / "images")
    shutil.copy(ROOT / "guest" / "MANIFEST.toml", folder)
    monkeypatch.setattr(guests, "_FOLDERS", (folder,))
    return folder


def test_manifest_names_the_guests() -> None:
    assert sorted(guest.name for guest in list_guests()) == sorted(NAMES + LINUX_NAMES + RUST_NAMES)


def test_manifest_describes_the_image(guest: Guest) -> None:
    data = guest.read_elf()
    elf = parse_elf(data)
    assert (elf.endian, elf.entry) == (guest.endian, guest.entry)
    assert find_symbol(data, "result") == guest.result_address
    assert guest.load_image().root() == guest.root
    assert len(data) < LARGEST_IMAGE


@pytest.mark.parametrize("name", LINUX_NAMES)
def test_manifest_describes_the_image_of_a_linux_program(name: str) -> None:
    guest = find_guest(name)
    elf = parse_elf(guest.read_elf())
    assert (elf.endian, elf.entry, RESULT) == (guest.endian, guest.entry, guest.result_address)
    assert guest.kernel and guest.load_image().root() == guest.root


def test_images_are_small_as_they_are_committed() -> None:
    sizes = [guest.path.stat().st_size for guest in list_guests()]
    assert max(sizes) < LARGEST_FILE and sum(sizes) < MOST_PACKED


@pytest.mark.parametrize("endian", ["big", "little"])
def test_kernel_is_there_in_both_byte_orders(endian: Endian) -> None:
    assert parse_elf(read_kernel(endian)).endian == endian


def test_image_knows_nothing_of_the_folder_that_it_was_built_in(guest: Guest) -> None:
    assert not any(place in guest.read_elf() for place in (*PLACES, b"GCC"))


@pytest.mark.parametrize("name", LINUX_NAMES)
def test_linux_program_knows_nothing_of_the_folder_that_it_was_built_in(name: str) -> None:
    assert not any(place in find_guest(name).read_elf() for place in PLACES)


@pytest.mark.parametrize("name", ["fibonacci", "blobsum", *CORPUS, *RUST_NAMES])
def test_manifest_counts_the_steps_of_the_default_run(name: str) -> None:
    guest = find_guest(name)
    machine = guest.load_image().machine(blobs=guest.blobs())
    assert run(machine, guest.steps + 1) == guest.steps
    assert machine.exit_code == 1, "the zero claim is wrong"


@pytest.mark.long
@pytest.mark.parametrize("name", ["hashchain", "sortproof"])
def test_manifest_counts_the_steps_of_the_long_default_runs(name: str) -> None:
    guest = find_guest(name)
    machine = guest.load_image().machine(claim_of_result(getattr(oracles, name)(guest.statement)))
    assert run(machine, guest.steps + 1) == guest.steps
    assert machine.exit_code == 0


@pytest.mark.parametrize("name", ["hashchain", "sortproof"])
def test_long_guests_fit_the_search_of_the_demo(name: str) -> None:
    assert LONG <= find_guest(name).steps < SEARCHABLE


def test_honest_claim_is_what_python_computes() -> None:
    fibonacci, blobsum = find_guest("fibonacci"), find_guest("blobsum")
    assert fibonacci.honest_claim() == claim_of_result(oracles.fibonacci(fibonacci.statement))
    assert blobsum.honest_claim() == claim_of_result(oracles.blobsum(blobsum.statement, blobsum.blob))
    statement = bytes(32) + (9).to_bytes(4, "big")
    assert find_guest("hashchain").honest_claim(statement) == claim_of_result(oracles.hashchain(statement))


def test_honest_claim_is_refused_for_a_statement_that_the_guest_refuses() -> None:
    with pytest.raises(InvalidInput, match="does not decide"):
        find_guest("sortproof").honest_claim(bytes(20))


@pytest.mark.parametrize("length", [0, 31, 33, CLAIM_BYTES])
def test_claim_is_not_made_of_a_result_of_another_length(length: int) -> None:
    with pytest.raises(InvalidInput, match="result"):
        claim_of_result(bytes(length))


def test_unknown_guest_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(InvalidInput, match="hashchain, sortproof, fibonacci, blobsum, sha256"):
        find_guest("hashchian")


def test_changed_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_guests(tmp_path / "guests", monkeypatch)
    assert find_guest("fibonacci").path.is_relative_to(folder)
    path = folder / "images" / "fibonacci.elf"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(VerificationFailed, match=r"fibonacci\.elf"):
        find_guest("fibonacci")


def test_changed_kernel_and_changed_packed_image_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_guests(tmp_path / "guests", monkeypatch)
    kernel, packed = folder / "images" / "kernel-big.elf", folder / "images" / "go-hello.elf.xz"
    kernel.write_bytes(kernel.read_bytes()[:-1] + b"\xff")
    with pytest.raises(VerificationFailed, match=r"kernel-big\.elf"):
        find_guest("go-hello").load_image()
    for content in (packed.read_bytes()[:-40], (folder / "images" / "go-sha256.elf.xz").read_bytes()):
        packed.write_bytes(content)
        with pytest.raises(VerificationFailed, match=r"go-hello\.elf\.xz"):
            find_guest("go-hello")


def test_missing_image_and_missing_manifest_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_guests(tmp_path / "guests", monkeypatch)
    (folder / "images" / "fibonacci.elf").unlink()
    with pytest.raises(Unavailable, match=r"fibonacci\.elf"):
        find_guest("fibonacci")
    (folder / "MANIFEST.toml").unlink()
    with pytest.raises(Unavailable, match="manifest"):
        list_guests()


def test_manifest_that_does_not_parse_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_guests(tmp_path / "guests", monkeypatch)
    (folder / "MANIFEST.toml").write_text("[fibonacci\n")
    with pytest.raises(VerificationFailed, match="does not parse"):
        list_guests()


@pytest.mark.long
def test_build_check_agrees_with_the_committed_images() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "guest" / "build"), "--check"], capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr  # 3: no compiler, or another version
    assert done.returncode == 0 or "were not compiled again" in done.stderr
