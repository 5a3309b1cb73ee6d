"""Door to the Docker SDK: a connection to a container engine that answers, or the reason why there is none."""

from __future__ import annotations

from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from taproot.errors import Unavailable

__all__ = ["APIError", "ImageNotFound", "NotFound", "connect_engine"]

ENGINE_LIMIT = 120  # seconds for one answer


def connect_engine() -> Any:
    """The engine that `DOCKER_HOST` names, else the local one. Raises Unavailable with its reason."""
    try:
        engine = docker.from_env(timeout=ENGINE_LIMIT)
        engine.ping()
    except DockerException as error:
        reason = str(error).splitlines()[0]
        raise Unavailable(
            f"no container engine answers ({reason}): install docker.io and start dockerd, or set DOCKER_HOST"
        ) from error
    return engine
