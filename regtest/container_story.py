"""A story whose parties are processes in containers: an operator, and watchtowers as anybody would run them.

A Stage on the node's chain sets the story up (wallets, standing outputs, presigned graph). Then each party gets a
container with a volume and a network of its own, where it meets nobody but the node; it reads the public files and the
node's login, and keeps secrets, journal and store in its volume. The harness mines, a block whenever every party that
runs has looked at the last one.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from btc_l2.chain.protocol import Chain
from regtest.container import COOKIE, DATA, LOGIN, NODE, RPC_PORT, STORY, ZMQ_PORT, NodeContainer, put_files
from regtest.container_image import PYTHON, find_image
from regtest.engine import APIError
from regtest.party import OPERATOR
from regtest.process import (
    DEPOSIT_FOLDER,
    KEY_FILE,
    SECRETS,
    TOWER_FILE,
    tower_settings,
    write_key_file,
    write_secrets,
    write_story,
)
from regtest.story import Ending, Stage
from taproot.errors import TimedOut, Unavailable
from taproot.presigned import ANYONE

log = logging.getLogger(__name__)

LOOK_LIMIT = 240.0  # seconds in which a party looks at a block; the first time it checks the whole bundle
MOST_BLOCKS = 800
_PAUSE = 0.05
# Runs beside a watchtower, in its container, where its page can be read: each new height on a line.
_TELL_HEIGHTS = """
import json, time, urllib.request
last = -1
while True:
    try:
        height = json.load(urllib.request.urlopen("http://127.0.0.1:9481/status", timeout=5))["height"]
    except (OSError, ValueError, KeyError):  # before its first look there is no page, then one without a height
        height = -1
    if height != last:
        print(height, flush=True)
    last = height
    time.sleep(0.1)
"""


class ContainerStory:
    """The containers of one story; they go when the node's run is closed."""

    def __init__(self, node: NodeContainer, stage: Stage) -> None:
        self.node, self.stage = node, stage
        self.parties: dict[str, Any] = {}
        self.stopped: set[str] = set()
        self._heights: dict[str, int] = {}  # of watchtowers
        self._image = find_image(node.run.engine, "package")
        self._told = node.run.volume("story")
        self._write_story()

    def start(self, name: str) -> None:
        """Make the party's container and start it: a watchtower, unless the plot has it misbehave or it is operator."""
        run = self.node.run
        network = run.network(name)
        self.node.join(network)
        volumes = {
            run.volume(name): {"bind": DATA},
            self._told: {"bind": STORY, "mode": "ro"},
            self.node.login: {"bind": LOGIN, "mode": "ro"},
        }
        container = run.create(
            name, self._image, command=self._command(name), volumes=volumes, network=network, read_only=True,
            tmpfs={"/tmp": ""}, environment={"HOME": "/tmp"},
        )  # fmt: skip
        put_files(container, DATA, self._private(name))
        self.parties[name] = container
        self._run(name)

    def is_tower(self, name: str) -> bool:
        """Whether it is a watchtower."""
        return name != OPERATOR and name not in self.stage.plot.objectors and name not in self.stage.plot.silent

    def kill(self, name: str) -> None:
        """SIGKILL: what is not on its disk is gone."""
        self.parties[name].kill()
        self.stopped.add(name)

    def revive(self, name: str) -> None:
        """The same container again, with the same volume."""
        self.stopped.discard(name)
        self._run(name)

    def stop(self, name: str) -> None:
        """It ends and stays away."""
        self.parties[name].stop(timeout=5)
        self.stopped.add(name)

    def play(self, on_block: Callable[[int], None] = lambda _: None) -> Ending:
        """Until the claim is paid or dead and so deep that it stays; `on_block` may kill and revive in between."""
        stage = self.stage
        stage.confirm_vault()
        for _ in range(MOST_BLOCKS):
            self.wait()
            stage.mine()
            on_block(stage.view.height)
            spent = stage.view.spent.get("asset")
            if spent is not None and stage.view.height - spent.height >= stage.plot.terms.confirmations:
                note_senders(stage, stage.chain)
                return stage.end()
        raise TimedOut(f"the story did not end within {MOST_BLOCKS} blocks; see `docker logs` of the parties")

    def wait(self) -> None:
        """Until each running party has looked at the tip. Raises Unavailable with a party's last words, TimedOut."""
        tip, deadline = self.stage.chain.tip().height, time.monotonic() + LOOK_LIMIT
        for name in self.parties.keys() - self.stopped:
            while self.seen(name) < tip:
                self._check_alive(name)
                if time.monotonic() > deadline:
                    words = self.parties[name].logs(tail=3).decode(errors="replace").strip()
                    raise TimedOut(f"{name} has not looked at block {tip} within {LOOK_LIMIT:.0f} s; it said: {words}")
                time.sleep(_PAUSE)

    def seen(self, name: str) -> int:
        """Height of the last block that the party says it has looked at; -1 before it says anything."""
        if self.is_tower(name):
            return self._heights.get(name, -1)
        said = self.parties[name].logs(stdout=True, stderr=False, tail=1).decode(errors="replace")
        return int(json.loads(said)["height"]) if said.startswith("{") else -1

    def _run(self, name: str) -> None:
        """Start the container; of a watchtower, listen to its heights."""
        self.parties[name].start()
        if self.is_tower(name):
            self._heights[name] = -1
            threading.Thread(target=self._listen, args=(name,), daemon=True).start()

    def _listen(self, name: str) -> None:
        """Until the container ends."""
        try:
            _code, said = self.parties[name].exec_run([PYTHON, "-c", _TELL_HEIGHTS], stream=True)
            for line in said:
                self._heights[name] = int(line.split()[-1])
        except (APIError, OSError, ValueError) as error:
            log.info("container.deaf name=%s reason=%s", name, error)

    def _command(self, name: str) -> list[str]:
        if self.is_tower(name):
            return ["watchtower", "run", "--config", f"{DATA}/{TOWER_FILE}"]
        return ["regtest", "party", name, "--story", f"{STORY}/{DEPOSIT_FOLDER}", "--data", DATA,
                "--node", f"{NODE}:{RPC_PORT}", "--cookie", COOKIE]  # fmt: skip

    def _private(self, name: str) -> dict[str, bytes]:
        secrets = self.stage.cast.secrets[name]
        if not self.is_tower(name):
            return {SECRETS: write_secrets(secrets)}
        settings = tower_settings(name, STORY, NODE, RPC_PORT, COOKIE, self.stage.start, f"tcp://{NODE}:{ZMQ_PORT}")
        return {KEY_FILE: write_key_file(secrets), TOWER_FILE: settings}

    def _write_story(self) -> None:
        """By a container that is never started: the parties' own mounts are read-only."""
        writer = self.node.run.create("writer", self._image, volumes={self._told: {"bind": STORY}})
        files = write_story(self.stage)
        put_files(writer, STORY, {f"{DEPOSIT_FOLDER}/{name}": content for name, content in files.items()}, 0o644)
        writer.remove()

    def _check_alive(self, name: str) -> None:
        container = self.parties[name]
        container.reload()
        if container.status == "exited":
            words = container.logs(tail=3).decode(errors="replace").strip()
            raise Unavailable(f"the container of {name} ended: {words or 'without a word'}; see its files")


def note_senders(stage: Stage, chain: Chain) -> None:
    """Who sent what anybody may send: the party whose coin the fee-paying child spent."""
    owners = {wallet.script_pubkey: name for name, wallet in stage.wallets.items()}
    for seen in stage.view.by_name.values():
        if stage.bundle.graph.planned(seen.name).by != ANYONE:
            continue
        for tx in chain.block(seen.height).transactions:
            if any(i.prevout.txid == seen.tx.txid for i in tx.inputs):
                for output in tx.outputs:
                    if output.script_pubkey in owners:
                        stage.sent_by[seen.name] = owners[output.script_pubkey]
