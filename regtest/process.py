"""One party of a story in a process of its own: all it has is a folder with what is public, its secrets, a node.

Public (`STORY`): `bundle.bin`, which is verified on loading, and `story.json`: plot, first block, what the operator
announced. Private (`DATA`): `secrets.json` (0600) and the journal. After each look at the chain a line of JSON on
stdout says how far it has seen and what it has sent. It may be killed anywhere, and starts again from the journal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.chain.protocol import Chain
from btc_l2.durable import replace_file
from btc_l2.guests import find_guest
from challenger.agents.player import ChallengerAgent, OperatorAgent, Player, Secrets
from challenger.game.solver import Assertion
from challenger.games import GameLibrary
from challenger.journal import Journal
from challenger.presign.bundle import Bundle
from challenger.watchtower import announcement
from challenger.watchtower.program import BUNDLE, CLAIM, DEPOSIT
from regtest.claiming import announce, hostile_answer, is_false, make_prover
from regtest.party import OPERATOR
from regtest.plot import Plot
from regtest.story import Stage, deposit_id
from regtest.workshop import Workshop
from taproot.errors import BtcL2Error, InvalidInput, Unavailable
from taproot.keys import SecretKey

STORY, SECRETS = "story.json", "secrets.json"
DEPOSIT_FOLDER = "d1"  # a watchtower has a folder per deposit
KEY_FILE, TOWER_FILE = "party.key", "watchtower.toml"
_PAUSE = 0.1  # seconds between two looks at the chain
_PLOT = ("lie", "lie_at", "false_from", "objectors", "route", "target", "silent", "seed")


@dataclass(frozen=True, slots=True)
class Story:
    """What every party is told."""

    plot: Plot
    start: int
    announced: Assertion
    claim: bytes


def write_story(stage: Stage) -> dict[str, bytes]:
    """The public files of a story that is set up but not played, a watchtower's (docs/watchtower.md) among them."""
    plot, announced = stage.plot, announce(stage.prover)
    told = {name: _plain(getattr(plot, name)) for name in _PLOT}
    told |= {
        "guest": plot.guest.name, "statement": None if plot.statement is None else plot.statement.hex(),
        "start": stage.start, "claim": stage.prover.claim.hex(),
        "announced": {"claim": [leaf.hex() for leaf in announced.claim], "z0": announced.z0.hex(),
                      "zn": announced.zn.hex()},
    }  # fmt: skip
    funding, key = stage.bundle.proposal.funding, stage.cast.secrets[OPERATOR].key
    signed = announcement.announce(stage.prover, funding.deposit, key)
    files = {
        STORY: json.dumps(told).encode(), BUNDLE: stage.bundle.to_bytes(), CLAIM: signed.to_json().encode(),
        DEPOSIT: f'guest = "{plot.guest.name}"\nstart = {stage.start}\n'.encode(),
    }  # fmt: skip
    if plot.statement is not None:
        files |= {DEPOSIT: files[DEPOSIT] + b'statement = "statement.bin"\n', "statement.bin": plot.statement}
    return files


def tower_settings(party: str, deposits: str, host: str, port: int, cookie: str, start: int, zmq: str) -> bytes:
    """A watchtower's settings file; key and state stand beside it."""
    values = {
        "party": party, "key_file": KEY_FILE, "deposits": deposits, "state": "state", "node_host": host,
        "node_port": port, "node_cookie": cookie, "start": start, "zmq": zmq, "poll": 1, "coins": 0,
    }  # fmt: skip
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()).encode()


def write_key_file(secrets: Secrets) -> bytes:
    """A watchtower's plain key file (test networks)."""
    return f"{secrets.key.to_bytes().hex()}\n{secrets.one_time.hex()}\n".encode()


def write_secrets(secrets: Secrets) -> bytes:
    """A party's secret file."""
    return json.dumps({"key": secrets.key.to_bytes().hex(), "one_time": secrets.one_time.hex()}).encode()


def prepare(stage: Stage, story: Path, parties: Mapping[str, Path], node: str, cookie: str, zmq: str) -> None:
    """Write the public files and each party's own, then confirm the vault. Raises Unavailable if a disk refuses."""
    host, _, port = node.rpartition(":")
    settings = {n: tower_settings(n, str(story), host, int(port), cookie, stage.start, zmq) for n in parties}
    try:
        for name, folder in parties.items():
            secrets = stage.cast.secrets[name]
            replace_file(folder / SECRETS, write_secrets(secrets))
            replace_file(folder / KEY_FILE, write_key_file(secrets))
            replace_file(folder / TOWER_FILE, settings[name])
        (story / DEPOSIT_FOLDER).mkdir(exist_ok=True)
        for name, content in write_story(stage).items():
            (story / DEPOSIT_FOLDER / name).write_bytes(content)
    except OSError as error:
        raise Unavailable(f"cannot write {error.filename}; {error.strerror}; name other folders") from error
    stage.confirm_vault()


def run_party(name: str, chain: Chain, story: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Play for ever; yields after each look. Raises InvalidInput for files that do not fit, as `Bundle.load` does."""
    library = GameLibrary()
    bundle = Bundle.load(story / BUNDLE, library.scripts)
    player = make_player(name, chain, bundle, library, read_story(story, bundle), data)
    seen = -1
    while True:
        try:
            sent = player.tick()
            if sent or player.view.height != seen:
                seen = player.view.height
                yield {"height": seen, "sent": sent}
        except Unavailable as error:  # the node restarts, the disk is full: it may be over soon
            yield {"height": -1, "sent": [], "waits": str(error)}
        time.sleep(_PAUSE)


def make_player(
    name: str, chain: Chain, bundle: Bundle, library: GameLibrary, story: Story, data: Path
) -> Player:  # fmt: skip
    """The party's agent, from its journal if there is one."""
    plot, proposal = story.plot, bundle.proposal
    deposit, workshop = deposit_id(proposal.funding), Workshop()
    image, blobs = plot.guest.load_image(plot.statement), plot.guest.blobs()
    shared: dict[str, Any] = {
        "name": name, "secrets": _read_secrets(data), "chain": chain, "graph": bundle.graph,
        "signatures": bundle.signatures, "games": library.games(proposal), "deposit_id": deposit,
        "journal": Journal(str(data / f"{name}.journal"), deposit, name), "start": story.start,
        "silent": plot.silent.get(name, ()),
    }  # fmt: skip

    def truth_of(claim: bytes) -> Any:
        return workshop.truth(image, claim, plot.terms.steps, blobs)

    if name == OPERATOR:
        return OperatorAgent(**shared, prover=make_prover(plot, image, blobs, truth_of))
    if name not in proposal.parties.challengers:
        raise InvalidInput(f"{name} is neither operator nor challenger here; choose one of "
                           f"{', '.join((OPERATOR, *proposal.parties.challengers))}")  # fmt: skip
    hostile = hostile_answer(plot, name) if name in plot.objectors else None
    objects = hostile is not None or is_false(story.announced, story.claim, truth_of)
    return ChallengerAgent(**shared, truth_of=truth_of, endian=image.endian, objects=objects, hostile=hostile)


def _plain(value: Any) -> Any:
    return {k: list(v) for k, v in value.items()} if isinstance(value, dict) else value


def read_story(folder: Path, bundle: Bundle) -> Story:
    """What `write_story` has written, with the bundle's terms. Raises InvalidInput for anything else."""
    told = _read(folder / STORY)
    try:
        plot = {name: told[name] for name in _PLOT}
        statement = None if told["statement"] is None else bytes.fromhex(told["statement"])
        said = told["announced"]
        return Story(
            Plot(find_guest(told["guest"]), bundle.proposal.terms, statement=statement, **plot),
            int(told["start"]),
            Assertion(tuple(bytes.fromhex(x) for x in said["claim"]), bytes.fromhex(said["z0"]),
                      bytes.fromhex(said["zn"])),
            bytes.fromhex(told["claim"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{folder / STORY} is no story ({error!r}); write it anew") from error


def _read_secrets(folder: Path) -> Secrets:
    told = _read(folder / SECRETS)
    try:
        return Secrets(SecretKey(bytes.fromhex(told["key"])), bytes.fromhex(told["one_time"]))
    except (BtcL2Error, KeyError, TypeError, ValueError):
        raise InvalidInput(f"{folder / SECRETS} holds no key and seed; write it anew") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise Unavailable(f"cannot read {path}; {error.strerror}; put it there first") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is no JSON ({error}); write it anew") from error
    return told
