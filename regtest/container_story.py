"""A story whose operator and challengers are processes in containers; the harness mines and looks on.

A Stage on the node's chain sets the story up (wallets, standing outputs, presigned graph). Then each party gets a
container with a volume and a network of its own, where it meets nobody but the node; it reads the public files and the
node's login, and keeps secrets and journal in its volume. A block is mined when every party that runs has looked at the
last one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from regtest.container import COOKIE, DATA, LOGIN, NODE, RPC_PORT, STORY, NodeContainer, put_files
from regtest.container_image import find_image
from regtest.process import SECRETS, write_secrets, write_story
from regtest.story import Ending, Stage
from taproot.errors import TimedOut, Unavailable

LOOK_LIMIT = 180.0  # seconds in which a party looks at a block; the first time it checks the whole bundle
MOST_BLOCKS = 800
_PAUSE = 0.05


class ContainerStory:
    """The containers of one story; they go when the node's run is closed."""

    def __init__(self, node: NodeContainer, stage: Stage) -> None:
        self.node, self.stage = node, stage
        self.parties: dict[str, Any] = {}
        self.stopped: set[str] = set()
        self._image = find_image(node.run.engine, "package")
        self._told = node.run.volume("story")
        self._write_story()

    def start(self, name: str) -> None:
        """Make the party's container and start it."""
        run = self.node.run
        network = run.network(name)
        self.node.join(network)
        volumes = {
            run.volume(name): {"bind": DATA},
            self._told: {"bind": STORY, "mode": "ro"},
            self.node.login: {"bind": LOGIN, "mode": "ro"},
        }
        command = ["regtest", "party", name, "--story", STORY, "--data", DATA, "--node", f"{NODE}:{RPC_PORT}",
                   "--cookie", COOKIE]  # fmt: skip
        container = run.create(
            name, self._image, command=command, volumes=volumes, network=network,
            read_only=True, tmpfs={"/tmp": ""}, environment={"HOME": "/tmp"},
        )  # fmt: skip
        put_files(container, DATA, {SECRETS: write_secrets(self.stage.cast.secrets[name])})
        container.start()
        self.parties[name] = container

    def kill(self, name: str) -> None:
        """SIGKILL: what is not on its disk is gone."""
        self.parties[name].kill()
        self.stopped.add(name)

    def revive(self, name: str) -> None:
        """The same container again, with the same volume."""
        self.parties[name].start()
        self.stopped.discard(name)

    def stop(self, name: str) -> None:
        """It ends and stays away."""
        self.parties[name].stop(timeout=5)
        self.stopped.add(name)

    def play(self, on_block: Callable[[int], None] = lambda _: None) -> Ending:
        """Until the claim is paid or dead and so deep that it stays; `on_block` may kill and revive in between."""
        self.stage.confirm_vault()
        for _ in range(MOST_BLOCKS):
            self.wait()
            self.stage.mine()
            on_block(self.stage.view.height)
            spent = self.stage.view.spent.get("asset")
            if spent is not None and self.stage.view.height - spent.height >= self.stage.plot.terms.confirmations:
                self._note_senders()
                return self.stage.end()
        raise TimedOut(f"the story did not end within {MOST_BLOCKS} blocks; see `docker logs` of the parties")

    def wait(self) -> None:
        """Until each running party has looked at the tip. Raises Unavailable with a party's last words, TimedOut."""
        tip, deadline = self.stage.chain.tip().height, time.monotonic() + LOOK_LIMIT
        for name in self.parties.keys() - self.stopped:
            while self.seen(name) < tip:
                self._check_alive(name)
                if time.monotonic() > deadline:
                    raise TimedOut(f"{name} has not looked at block {tip} within {LOOK_LIMIT:.0f} s")
                time.sleep(_PAUSE)

    def seen(self, name: str) -> int:
        """Height of the last block that the party says it has looked at."""
        heights = [line["height"] for line in self.lines(name, 1)]
        return int(heights[-1]) if heights else -1

    def lines(self, name: str, last: int | str = "all") -> list[dict[str, Any]]:
        """What the party has said on stdout."""
        said = self.parties[name].logs(stdout=True, stderr=False, tail=last).decode(errors="replace")
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def _write_story(self) -> None:
        """By a container that is never started: the parties' own mounts are read-only."""
        volumes = {self._told: {"bind": STORY}}
        writer = self.node.run.create("writer", self._image, volumes=volumes)
        put_files(writer, STORY, write_story(self.stage), 0o644)
        writer.remove()

    def _check_alive(self, name: str) -> None:
        container = self.parties[name]
        container.reload()
        if container.status == "exited":
            words = container.logs(stdout=False, tail=3).decode(errors="replace").strip()
            raise Unavailable(f"the container of {name} ended: {words or 'without a word'}; see its files")

    def _note_senders(self) -> None:
        for name in self.parties:
            for line in self.lines(name):
                for sent in line["sent"]:
                    self.stage.sent_by.setdefault(sent, name)
