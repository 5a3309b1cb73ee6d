"""Signers without MuSig2 at the command line: one by a second key of his seed, one by a key in other software."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taproot.hashes import sha256
from taproot.keys import SecretKey
from taproot.psbt import Psbt
from tests.challenger.test_plain_ceremony import sign_by_btclib
from tests.cli.signers import Group, call

ELSEWHERE = SecretKey(sha256(b"hardware"))


class Plain(Group):
    """bob's key lies in other software, alice's is of her seed."""

    def ok(self, name: str, command: str, *arguments: object) -> object:  # type: ignore[override]
        """As for everybody; `init` says who is plain."""
        given = {"alice": ("--plain",), "bob": ("--plain-key", ELSEWHERE.x_only.hex())}.get(name, ())
        return super().ok(name, command, *arguments, *(given if command == "init" else ()))


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Plain(call, tmp_path_factory.mktemp("plain"), ("alice", "bob"), terms={"arities": [2]}).set_up()


def test_the_policy_says_who_signs_without_musig2(group: Group) -> None:
    shown = group.run("alice", "register", group.folder / "policy.json").stdout
    assert "2 signers, all of them must sign (n-of-n; nobody with MuSig2)" in shown
    assert f"    signs without MuSig2, by key {ELSEWHERE.x_only.hex()}" in shown
    policy = json.loads((group.folder / "policy.json").read_text())
    assert sorted(len(member) for member in policy["members"]) == [4, 4]


def test_a_policy_in_which_a_plain_key_was_exchanged_is_not_registered(group: Group) -> None:
    policy = json.loads((group.folder / "policy.json").read_text())
    for member in policy["members"]:
        member[3] = SecretKey(sha256(member[0].encode())).x_only.hex()
    (group.folder / "other.json").write_text(json.dumps(policy))
    for name in ("alice", "bob"):
        refused = group.run(name, "register", group.folder / "other.json")
        assert refused.code == 6 and "somebody exchanged your card" in refused.stderr


def test_both_ways_to_be_plain_at_once_are_refused(group: Group, tmp_path: Path) -> None:
    both = ("--name", "dan", "--home", tmp_path, "--passphrase-file", group.folder / "passphrase", "--plain")
    refused = call("signer", "init", *both, "--plain-key", ELSEWHERE.x_only.hex())
    assert refused.code == 2 and "give one of them" in refused.stderr and not (tmp_path / "keystore.json").exists()


def test_a_ceremony_of_plain_signers_ends_with_bundles(group: Group) -> None:
    """bob's key never meets our software: PSBTs go out twice, everything but `confirm`, then `confirm`."""
    group.until_agreed()
    out = group.folder / "psbts"
    assert "2 signers together" in group.run("alice", "review").stdout
    group.sign_all()
    group.share()
    for stage in ("everything else", "confirm"):
        refused = group.run("bob", "sign", "--out", group.stick)
        assert refused.code == 3 and "signatures of your key" in refused.stderr
        group.ok("bob", "export", "--psbt", "--out", out)
        for path in sorted(out.glob("*.psbt")):
            path.write_bytes(sign_by_btclib(Psbt.from_bytes(path.read_bytes()), ELSEWHERE).to_bytes())
        assert (out / "alice.confirm.psbt").exists() == (stage == "confirm")
        group.ok("bob", "sign", "--psbt", out, "--out", group.stick)
        group.ok("alice", "sign", "--out", group.stick)
        group.share()
        for path in out.glob("*.psbt"):
            path.unlink()
    nothing = group.run("bob", "export", "--psbt", "--out", out)
    assert nothing.code == 2 and "nothing to sign now" in nothing.stderr
    group.ok("bob", "combine", "--out", group.folder / "bundles")
    verified = json.loads(call("signer", "verify", group.folder / "bundles", "--json").stdout)
    assert verified["valid"] and verified["signatures"] > 500


def test_cost_shows_what_plain_signers_add_and_refuses_more_than_terms_bear() -> None:
    small = ("cost", "--steps-log2", "2", "--challengers", "2", "--json")
    without, with_two = (json.loads(call(*small, "--plain-signers", n).stdout) for n in (0, 2))
    assert "plain_signers" not in without and with_two["plain_signers"] == 2
    assert with_two["undisputed"]["vbytes"] - without["undisputed"]["vbytes"] == 149
    refused = call(*small, "--plain-signers", 48)
    assert refused.code == 2 and "49 keys; 48 at most" in refused.stderr
