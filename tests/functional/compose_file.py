"""What stands in compose.yaml, read as `docker compose` reads it: anchors, merges, `${NAME-default}`; all of it.

A key that is not understood here is an error, so that nothing stands in the file that no test has started.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / "compose.yaml"
HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"
_KNOWN = {
    "build", "image", "read_only", "tmpfs", "environment", "cap_drop", "security_opt", "restart", "depends_on",
    "command", "volumes", "networks", "healthcheck",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?)-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service; `target` of the Dockerfile, `volumes` by mount point with their mode."""

    name: str
    target: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    volumes: Mapping[str, tuple[str, str]]
    networks: tuple[str, ...]
    depends_on: Mapping[str, str]
    read_only: bool
    tmpfs: tuple[str, ...]
    cap_drop: tuple[str, ...]
    security_opt: tuple[str, ...]
    restart: str
    healthcheck: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """All of it; every network is `internal`, every volume plain."""

    services: Mapping[str, Service]
    volumes: tuple[str, ...]
    networks: tuple[str, ...]


def read_compose(around: Mapping[str, str], path: Path = FILE) -> ComposeFile:
    """The file with the variables that are set around it. AssertionError for what is not understood."""
    document = yaml.safe_load(_VARIABLE.sub(lambda found: _value(found, around), path.read_text()))
    assert {name for name in document if not name.startswith("x-")} == {"services", "volumes", "networks"}
    assert all(network == {"internal": True} for network in document["networks"].values()), "a way out"
    assert not any(document["volumes"].values())
    services = {name: _service(name, told) for name, told in document["services"].items()}
    return ComposeFile(services, tuple(document["volumes"]), tuple(document["networks"]))


def _value(found: re.Match[str], around: Mapping[str, str]) -> str:
    name, colon, default = found.groups()
    return around[name] if name in around and (around[name] or not colon) else default or ""


def _service(name: str, told: Mapping[str, Any]) -> Service:
    assert not (unknown := set(told) - _KNOWN), f"{name}: {unknown}"
    assert told["build"]["context"] == "." and set(told["build"]) == {"context", "target", "args"}
    command = told["command"]
    return Service(
        name=name, target=told["build"]["target"],
        command=tuple(shlex.split(command) if isinstance(command, str) else command),
        environment=_texts(told.get("environment", {})),
        volumes=dict(_mount(text) for text in told.get("volumes", [])), networks=tuple(told["networks"]),
        depends_on={on: what["condition"] for on, what in told.get("depends_on", {}).items()},
        read_only=told.get("read_only", False), tmpfs=tuple(told.get("tmpfs", ())),
        cap_drop=tuple(told.get("cap_drop", ())), security_opt=tuple(told.get("security_opt", ())),
        restart=told.get("restart", "no"), healthcheck=tuple(told.get("healthcheck", {}).get("test", ())),
    )  # fmt: skip


def _texts(environment: Mapping[str, Any]) -> dict[str, str]:
    assert all(isinstance(value, str) for value in environment.values()), environment
    return dict(environment)


def _mount(text: str) -> tuple[str, tuple[str, str]]:
    volume, folder, *mode = text.split(":")
    return folder, (volume, mode[0] if mode else "rw")
