"""The images of the project's containers: a base made of Debian's packages, then the Dockerfile's targets on it.

Where a registry of images is at hand, `docker build` with its default base does the same. Here nothing but Debian's
packages is needed: mmdebstrap makes the base (some 40 s), `docker import` takes it in. Images are tagged with the
digest of what they were made from, and made once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regtest.node.debian import KEYRING, Programs, find_mirror
from regtest.node.engine import connect_engine
from regtest.node.program import run_program
from taproot.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "make", "python3", "python3-venv")
BASE = "btc-l2-base:debian-12"
TARGETS = ("node", "package")
LABEL = "btc-l2"
PYTHON = "/srv/btc-l2/.venv/bin/python"  # in the package's image
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # a base trusts whom this machine trusts
_MIRROR = Programs(PACKAGES, SUITE, ("python3",), "or build the Dockerfile with another --build-arg BASE_IMAGE")


def find_base(engine: Any) -> str:
    """The base's tag; made if the engine has none. Raises Unavailable without mmdebstrap, a mirror or the network."""
    if not _has(engine, BASE):
        with tempfile.TemporaryDirectory(prefix="btcl2-base-") as scratch:
            archive = Path(scratch, "base.tar")
            _bootstrap(archive)
            repository, _, tag = BASE.partition(":")
            engine.api.import_image(str(archive), repository=repository, tag=tag)
    return BASE


def find_image(engine: Any, target: str) -> str:
    """The tag of an image of the project as the sources are now; built if the engine has none.

    Raises Unavailable with the last words of the build.
    """
    tag = f"btc-l2-{target}:{_digest(target)}"
    if not _has(engine, tag):
        _build(target, tag, find_base(engine))
    return tag


def has_image(engine: Any, target: str) -> bool:
    """Whether the target's image of the sources as they are now is there."""
    return _has(engine, f"btc-l2-{target}:{_digest(target)}")


def _has(engine: Any, tag: str) -> bool:
    return any(tag in image.tags for image in engine.images.list())


def _bootstrap(archive: Path) -> None:
    if shutil.which("mmdebstrap") is None or not KEYRING.exists():
        raise Unavailable(
            "no base for images: install mmdebstrap and debian-archive-keyring, "
            f"or build the Dockerfile by hand with a base from a registry and tag it {BASE}"
        )
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--keyring={KEYRING}",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        *([f"--customize-hook=copy-in {CERTIFICATES} {CERTIFICATES.parent}"] if CERTIFICATES.exists() else []),
        SUITE, str(archive), find_mirror(_targets(), _MIRROR),
    ]  # fmt: skip
    _run(command, "making the base image")


def _targets() -> list[str]:
    form = "$(RELEASE) $(COMPONENT) $(SITE)"
    command = ["apt-get", "indextargets", "--no-release-info", "--format", form, "Created-By: Packages"]
    return _run(command, "asking apt for its mirror").splitlines()


def _build(target: str, tag: str, base: str) -> None:
    """By the command of the engine: it honours .dockerignore exactly."""
    command = [
        "docker", "build", "--quiet", "--network", "host", "--target", target, "--tag", tag,
        "--label", LABEL, "--build-arg", f"BASE_IMAGE={base}", str(ROOT),
    ]  # fmt: skip
    _run(command, f"building image {tag}")


def _run(command: list[str], what: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Unavailable(f"{what} failed: {error}; install docker.io and mmdebstrap") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Unavailable(f"{what} failed: {said[0]}; run `{' '.join(command[:3])} …` by hand to see more")
    return done.stdout


def _digest(target: str) -> str:
    """Over everything that the target's image is made from."""
    hasher = hashlib.sha256()
    paths = [ROOT / "Dockerfile", ROOT / ".dockerignore", ROOT / "regtest" / "node" / "debian.py"]
    if target == "package":
        paths += [ROOT / "requirements.lock", ROOT / "pyproject.toml", ROOT / "Makefile"]
        for package in ("taproot", "btc_l2", "challenger", "regtest"):
            paths += sorted((ROOT / package).rglob("*.py"))
        paths += sorted(p for p in (ROOT / "guest" / "images").rglob("*") if p.is_file())
    for path in paths:
        hasher.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()[:16]


def main() -> Iterator[str]:
    """Make all images; their tags."""
    engine = connect_engine()
    for target in TARGETS:
        print(f"containers: building {target}", file=sys.stderr)
        yield find_image(engine, target)


if __name__ == "__main__":
    sys.exit(run_program(main))
