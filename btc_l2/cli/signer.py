"""`btc-l2 signer …`: presign a deposit by files, on machines that may never have been online (docs/signer.md).

    init → export --card → draft → register        once
    propose → sign (keys) → review → sign (nonces) → sign (parts) → sign (parts of confirm) → combine → verify
    settle → review → sign (nonces) → sign (parts) → combine → `btc-l2 bridge … --settlement`

Here are the commands around the ceremony; those of its rounds are in `signer_rounds`. Everything heavy is imported
inside the commands.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli import settle, signer_check, signer_psbt, signer_rounds
from btc_l2.cli.output import note, print_document
from btc_l2.cli.signer_options import Accept, AsJson, Home, PassphraseFd, PassphraseFile, RelayRate
from taproot.errors import InvalidInput, Refused, Unavailable

if TYPE_CHECKING:
    from challenger.presign.ceremony.registered import Registered
    from taproot.keys import XOnlyKey
    from taproot.terms import Terms

app = typer.Typer(help="Presign a deposit with others, settle it with them: by files.", no_args_is_help=True)
app.command("propose")(signer_rounds.propose)
app.command("import")(signer_rounds.take_in)
app.command("review")(signer_rounds.review)
app.command("sign")(signer_rounds.sign)
app.command("combine")(signer_rounds.combine)
app.command("export")(signer_rounds.export)
app.command("status")(signer_rounds.show_status)
app.command("settle")(settle.settle)
app.command("refresh")(settle.refresh)
app.command("check")(signer_check.check)
app.command("psbt")(signer_psbt.psbt)

Scrypt = Annotated[int, typer.Option("--scrypt-log2", help="Cost of the passphrase: 2^N · 1 KiB of memory.")]
SCRYPT = 17
_ANY_KEY = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")


@app.command("init")
def init(
    name: Annotated[str, typer.Option(help="Your name: a letter, then letters, digits, - or _.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    scrypt_log2: Scrypt = SCRYPT,
    plain: Annotated[bool, typer.Option("--plain", help="Sign without MuSig2, by a second key of the seed.")] = False,
    plain_key: Annotated[str | None, typer.Option(help="Sign without MuSig2, by this key that is elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a seed, encrypted with a passphrase, in a new home folder."""
    from btc_l2.cli.signer_desk import home_of, read_passphrase
    from btc_l2.durable import make_folder
    from challenger.keystore import create_keystore
    from challenger.presign.ceremony.card import declare_plain
    from challenger.presign.ceremony.store import KEYSTORE
    from taproot.parties import Party

    folder = home_of(home)
    passphrase = read_passphrase(passphrase_file, passphrase_fd, twice=True)
    make_folder(folder)
    if (folder / KEYSTORE).exists():
        raise Refused(f"{folder} holds a keystore already; a seed is never overwritten; choose another home")
    elsewhere = _plain_key(plain, plain_key)
    Party(name, _ANY_KEY)  # the name is checked before a seed is made for it
    keys = create_keystore(folder / KEYSTORE, passphrase, name, scrypt_log2)
    note("make a backup now: `btc-l2 signer backup`; who loses seed or passphrase loses his stake and bonds")
    shown = {"name": name, "key": keys.key.public_key.hex(), "identity": keys.identity.x_only.hex()}
    if plain or elsewhere is not None:
        declare_plain(folder, elsewhere or keys.plain.x_only)
        shown["plain_key"] = (elsewhere or keys.plain.x_only).hex()
    print_document(shown, as_json)


def _plain_key(plain: bool, given: str | None) -> XOnlyKey | None:
    """The key elsewhere, if one is named. Raises InvalidInput for both options, or what is no key."""
    from btc_l2.cli.arguments import parse_bytes
    from taproot.keys import XOnlyKey

    if plain and given is not None:
        raise InvalidInput("--plain takes a key of the seed, --plain-key one that lives elsewhere; give one of them")
    return None if given is None else XOnlyKey(parse_bytes(given, "key of a plain signer"))


@app.command("draft")
def draft(
    card: Annotated[list[Path], typer.Option(help="Card of a signer; once for each, yours too.")],
    operator: Annotated[list[str], typer.Option(help="Name of a signer who is an operator; once for each.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    guest: Annotated[str | None, typer.Option(help="Guest program whose execution is claimed.")] = None,
    image_root: Annotated[str | None, typer.Option(help="Or: root of the program's image (hexadecimal).")] = None,
    endian: Annotated[str, typer.Option(help="Its byte order: big or little.")] = "big",
    terms: Annotated[Path | None, typer.Option(help="JSON file with the terms that differ from the defaults.")] = None,
    relay_rate: RelayRate = 1,
) -> None:
    """Write a policy from everybody's cards, for all to register."""
    from btc_l2.cli.arguments import read_file
    from challenger.presign.ceremony.card import read_card
    from challenger.presign.ceremony.contribution import canonical
    from challenger.presign.ceremony.registered import Registered
    from challenger.presign.vetting import SAT_PER_KVB, check_policy

    members = tuple(read_card(read_file(path)) for path in card)
    policy = Registered(_read_terms(terms), members, tuple(operator), _constants(guest, image_root, endian))
    policy.n_of_n()
    check_policy(policy, relay_rate * SAT_PER_KVB)
    _write(out, canonical(policy.to_json()) + b"\n")
    note(f"written: {out}; give it to all signers, each registers it")


@app.command("register")
def register(
    file: Annotated[Path, typer.Argument(metavar="POLICY", help="What `draft` wrote.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    accept: Accept = None, relay_rate: RelayRate = 1,
) -> None:  # fmt: skip
    """Show a policy; if you agree it is registered here, once and for good."""
    from btc_l2.cli.arguments import read_file
    from btc_l2.cli.signer_desk import ask, home_of, open_keys, read_passphrase
    from btc_l2.cli.signer_screens import policy_screen
    from btc_l2.durable import locked, write_once
    from challenger.presign.ceremony.card import declared_plain, is_own
    from challenger.presign.ceremony.contribution import canonical
    from challenger.presign.ceremony.store import POLICY
    from challenger.presign.vetting import SAT_PER_KVB, check_policy

    folder = home_of(home)
    policy = _policy_of(read_file(file))
    name, keys = open_keys(folder, read_passphrase(passphrase_file, passphrase_fd))
    member = policy.member(name)
    if not is_own(member, keys) or member.party.plain_key != declared_plain(folder):
        raise Refused(f"the policy has other keys in the name of {name}; somebody exchanged your card")
    print("\n".join(policy_screen(policy, name)))
    check_policy(policy, relay_rate * SAT_PER_KVB)
    if (folder / POLICY).exists() and (folder / POLICY).read_bytes() != canonical(policy.to_json()):
        raise Refused(f"{folder} has another policy registered; a home has one for good; make another home")
    ask("Is this what all of you have agreed on?", policy.digest(), accept)
    with locked(folder):
        write_once(folder / POLICY, canonical(policy.to_json()))
    note("registered; ceremonies that deviate from it are refused from now on")


@app.command("verify")
def verify(
    what: Annotated[Path, typer.Argument(metavar="BUNDLES|EVIDENCE", help="Folder of bundles, or a file of evidence.")],
    bundles: Annotated[Path | None, typer.Option(help="For evidence about a proposal: bundles of its deposit.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check bundles: every graph made again, every signature; or evidence: exit code 5 if it proves a misbehaviour."""
    from btc_l2.cli.arguments import read_file
    from btc_l2.cli.signer_desk import CRAFT
    from btc_l2.cli.signer_screens import words_line
    from challenger.presign.ceremony.evidence import verify_evidence
    from challenger.presign.ceremony.result import verify_folder

    if not what.is_dir():
        raise verify_evidence(read_file(what), CRAFT, verify_folder(bundles, CRAFT.build_games) if bundles else None)
    manifest, found = verify_folder(what, CRAFT.build_games)
    print_document({
        "deposit": manifest["deposit"], "ceremony": manifest["ceremony"], "operators": sorted(found),
        "signatures": sum(len(b.signatures) for b in found.values()), "agreed": manifest["agreed"],
        "words": words_line(bytes.fromhex(manifest["agreed"])), "valid": True,
    }, as_json)  # fmt: skip


@app.command("backup")
def backup(
    out: Annotated[Path, typer.Option(help="File to write; it must not exist.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    scrypt_log2: Scrypt = SCRYPT,
) -> None:  # fmt: skip
    """Write seed, policy and all ceremonies into one encrypted file; it holds no nonce."""
    from btc_l2.cli.signer_desk import home_of, open_keys, read_passphrase
    from btc_l2.durable import locked
    from challenger.presign.ceremony.backup import make_backup

    folder = home_of(home)
    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    open_keys(folder, passphrase)  # a backup under a passphrase with a slip of the finger would be none
    with locked(folder):
        _write(out, make_backup(folder, passphrase, scrypt_log2))
    note(f"written: {out}; its passphrase is that of the keystore")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `backup` wrote.")],
    home: Home = None, passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Restore a backup into a new home folder."""
    from btc_l2.cli.arguments import read_file
    from btc_l2.cli.signer_desk import home_of, read_passphrase
    from btc_l2.durable import make_folder
    from challenger.presign.ceremony.backup import restore_backup

    folder = home_of(home)
    make_folder(folder)
    names = restore_backup(read_file(file), read_passphrase(passphrase_file, passphrase_fd), folder)
    note("before you sign: import every file of a ceremony under way, your own too, then `sign --resume`")
    print_document({"home": str(folder), "files": len(names)}, as_json)


def _policy_of(content: bytes) -> Registered:
    from challenger.presign.ceremony.registered import Registered

    try:
        return Registered.from_json(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the policy is no JSON: {error}; write one with `btc-l2 signer draft`") from error


def _read_terms(path: Path | None) -> Terms:
    from btc_l2.cli.arguments import read_file
    from taproot.terms import Terms

    if path is None:
        return Terms()
    try:
        given: Any = json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput(f"{path} holds no JSON object")
    return Terms.from_json({**Terms().to_json(), **given})


def _constants(guest: str | None, image_root: str | None, endian: str) -> dict[str, bytes]:
    from btc_l2.cli.arguments import parse_bytes
    from challenger.games import ENDIAN, IMAGE_ROOT, constants_of

    if (guest is None) == (image_root is None):
        raise InvalidInput("name the program by --guest or by --image-root, one of them")
    if guest is not None:
        from btc_l2.guests import find_guest

        return constants_of(find_guest(guest).load_image())
    root = parse_bytes(image_root or "", "image root")
    if len(root) != 32 or endian not in ("big", "little"):
        raise InvalidInput("an image root has 32 bytes; --endian is big or little")
    return {IMAGE_ROOT: root, ENDIAN: endian.encode()}


def _write(path: Path, content: bytes) -> None:
    with _explained(path):
        from btc_l2.durable import write_once

        write_once(path, content)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"cannot write {path}; {error.strerror}; choose another place") from error
