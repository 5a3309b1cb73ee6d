"""The command line as a process sees it, but in this process: exit code, stdout, stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from btc_l2.cli import main

if TYPE_CHECKING:
    from tests.cli.paid import PaidGroup


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)


Command = Callable[..., Answer]


@pytest.fixture
def btc_l2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("BTCL2_DEBUG", raising=False)

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Answer(int(left.value.code or 0), shown.out, shown.err)

    return call


@pytest.fixture(scope="session")
def combined(tmp_path_factory: pytest.TempPathFactory) -> PaidGroup:
    """Olga, an operator, and alice have signed a graph whose outputs stand on a chain; copy it before you change it."""
    from tests.cli.paid import PaidGroup
    from tests.cli.signers import call

    group = PaidGroup(call, tmp_path_factory.mktemp("combined"), ("olga", "alice")).set_up().pay()
    return group.until_combined()
