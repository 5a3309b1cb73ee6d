"""Settings of a watchtower, each with where it comes from: flags > `BTCL2_WATCHTOWER_*` > TOML file > defaults.

Secrets are never settings: the key file is named, and so is the file with its passphrase.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from challenger.agents.budget import Limits
from challenger.watchtower.orders import Orders
from taproot.errors import InvalidInput, Unavailable

PREFIX = "BTCL2_WATCHTOWER_"
FLAG, ENVIRONMENT, FILE, DEFAULT = "flag", "environment", "file", "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Paths are relative to the folder of the TOML file, else to the current one."""

    party: str = ""  # name of the party in the bundles
    key_file: str = ""  # keystore (btc-l2 signer), or two lines of hex: key, seed of the one-time keys; mode 0600
    passphrase_file: str = ""  # of the keystore, mode 0600
    deposits: str = "deposits"  # a folder with a folder per deposit
    state: str = "state"  # journals and tower.db
    network: str = "regtest"
    node_host: str = "127.0.0.1"
    node_port: int = 0  # 0: the network's own
    node_cookie: str = ""  # the node's .cookie; default: of node_datadir
    node_datadir: str = ""  # default: ~/.bitcoin
    zmq: str = "auto"  # auto: where the node announces blocks; off; or an endpoint
    poll: int = 5  # seconds between two looks at the latest
    start: int = 0  # height of the first block to look at
    http_host: str = "127.0.0.1"
    http_port: int = 9481  # 0: no pages
    fee_rate_cap: int = 1_000  # sat/vB
    fee_move_cap: int = 20_000_000  # sat for one move
    fee_dispute_cap: int = 50_000_000  # sat for all moves of one deposit
    patience: int = 3  # blocks until a bid doubles
    stuck: int = 3  # blocks, alarm move.stuck
    deadline: int = 6  # blocks, alarm deadline.near
    outage: int = 3  # failed looks in a row, alarm node.down
    coins: int = 4  # fee coins kept ready
    coin: int = 200_000  # sat of each
    object_to_unknown: bool = True  # challenge what was not announced or cannot be judged
    dry_run: bool = False  # decide, send nothing
    log: str = "text"  # text or json


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, the origin of each, and the folder to which paths are relative."""

    settings: Settings
    origins: Mapping[str, str]
    folder: Path

    def path(self, value: str) -> Path:
        """A path setting."""
        return self.folder / Path(value).expanduser()

    def orders(self) -> Orders:
        """The tower's part. Raises InvalidInput for values out of range."""
        s = self.settings
        if not s.party or not s.key_file:
            raise InvalidInput("party or key_file is not set; name them in the TOML file or with --party, --key-file")
        least = min(s.stuck, s.deadline, s.outage, s.poll)
        if least < 1 or min(s.start, s.coins, s.coin) < 0:
            raise InvalidInput("stuck, deadline, outage, poll are 1 or more, start and coins 0 or more")
        return Orders(
            s.party, self.path(s.deposits), self.path(s.state), s.start, s.stuck, s.deadline, s.outage,
            Limits(s.fee_rate_cap, s.fee_move_cap, s.fee_dispute_cap, s.patience), s.coins, s.coin,
            s.object_to_unknown, s.dry_run,
        )  # fmt: skip


def resolve(
    file: Path | None, flags: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Resolved:
    """Put the layers together; flags that are None are not given.

    Raises InvalidInput for an unknown name or a value of another type, Unavailable if the file cannot be read.
    """
    around = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins = dict.fromkeys((f.name for f in fields(Settings)), DEFAULT)
    named = {name: around[PREFIX + name.upper()] for name in origins if PREFIX + name.upper() in around}
    layers = ((FILE, _read(file)), (ENVIRONMENT, named), (FLAG, {k: v for k, v in flags.items() if v is not None}))
    for origin, layer in layers:
        for name, value in layer.items():
            if name not in origins:
                raise InvalidInput(f"unknown setting {name!r} in the {origin}; known: {', '.join(origins)}")
            values[name] = _convert(name, value, origin)
            origins[name] = origin
    return Resolved(Settings(**values), origins, Path() if file is None else file.parent)


def _read(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise Unavailable(f"cannot read settings {file}; {error.strerror}; check the name") from error
    except ValueError as error:
        raise InvalidInput(f"settings {file} are no TOML: {error}; correct the line") from error


def _convert(name: str, value: Any, origin: str) -> Any:
    """Text of the environment becomes what the setting is; other layers have types of their own."""
    wanted = type(getattr(Settings(), name))
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if origin == ENVIRONMENT and wanted is int and value.strip().lstrip("-").isdigit():
        return int(value)
    if origin == ENVIRONMENT and wanted is bool and value.lower() in words:
        return words[value.lower()]
    if type(value) is not wanted:
        raise InvalidInput(f"setting {name} in the {origin} is {value!r}; give a value of type {wanted.__name__}")
    return value
