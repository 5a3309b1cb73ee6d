"""The durable record of deposits: one SQLite file, one row per deposit, its history in a second table.

Every change of state is a single UPDATE that names the states it may start from. Two processes that see the same event
cannot both apply it: the second one changes no row and is told so. Nobody reads a state first and writes it later. The
history is written by a trigger, so it is part of the same UPDATE. On return the change is on the disk (WAL, FULL sync).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_l2.bridge.refund_kit import RefundKit, make_kit
from btc_l2.bridge.states import TRANSITIONS, Event, State
from btc_l2.database import Database, Value, Words
from taproot.connectors.output import Contract
from taproot.errors import InvalidInput, Refused, VerificationFailed
from taproot.hashes import tagged_hash
from taproot.parties import Parties
from taproot.terms import Terms
from taproot.tx import OutPoint

VERSION = "1"
_ID_DIGITS = 16
_WORDS = Words(
    "record", "nothing was changed; free space or check the folder, start again", "restore it from a backup"
)
_COLUMNS = "id, state, terms, parties, outpoint, vault, height, detail"
_TABLES = """
CREATE TABLE IF NOT EXISTS deposits (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, terms TEXT NOT NULL, parties TEXT NOT NULL,
  outpoint TEXT, vault TEXT, height INTEGER NOT NULL, detail TEXT NOT NULL, event TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
  number INTEGER PRIMARY KEY, deposit TEXT NOT NULL, event TEXT NOT NULL, before TEXT, after TEXT NOT NULL,
  height INTEGER NOT NULL, detail TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS announced AFTER INSERT ON deposits BEGIN
  INSERT INTO history (deposit, event, before, after, height, detail)
  VALUES (NEW.id, NEW.event, NULL, NEW.state, NEW.height, NEW.detail);
END;
CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE ON deposits BEGIN
  INSERT INTO history (deposit, event, before, after, height, detail)
  VALUES (NEW.id, NEW.event, OLD.state, NEW.state, NEW.height, NEW.detail);
END;
"""


@dataclass(frozen=True, slots=True)
class Deposit:
    """One deposit as it is recorded; `height` is that of the last change, `detail` says more about it."""

    id: str
    state: State
    terms: Terms
    parties: Parties
    outpoint: OutPoint | None
    vault: OutPoint | None
    height: int
    detail: str

    @property
    def kit(self) -> RefundKit:
        """Its refund kit."""
        return make_kit(self.terms, self.parties, self.outpoint)

    @property
    def contract(self) -> Contract:
        """Terms, parties and their n-of-n key."""
        return Contract.make(self.terms, self.parties)


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a deposit's history."""

    event: str
    before: str | None
    after: str
    height: int
    detail: str


class DepositStore:
    """The record of one home folder."""

    def __init__(self, path: Path | str) -> None:
        """Open or create; `:memory:` keeps nothing.

        Raises Unavailable where the file cannot be used, VerificationFailed where it is damaged or of another version.
        """
        self._db = Database(path, _TABLES, _WORDS, {"version": VERSION})

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def announce(self, terms: Terms, parties: Parties, height: int) -> Deposit:
        """A new deposit. Raises Refused if its address is recorded already: every deposit has a key of its own."""
        name = deposit_id(make_kit(terms, parties))
        row = (name, State.ANNOUNCED.value, _json(terms), _json(parties), height, "", "announce")
        done = self._db.execute(
            "INSERT OR IGNORE INTO deposits (id, state, terms, parties, height, detail, event)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        if not done.rowcount:
            raise Refused(f"deposit {name} has this address already; take a new key for a new deposit")
        return self.get(name)

    def apply(
        self, name: str, event: Event, height: int, detail: str = "", outpoint: OutPoint | None = None,
        vault: OutPoint | None = None,
    ) -> Deposit:  # fmt: skip
        """Let an event happen; `outpoint` and `vault` are recorded where they are given, and forgotten by `LOSE`.

        Raises Refused if the deposit is in a state in which it cannot happen; nothing is changed then.
        """
        row = TRANSITIONS[event]
        cases = " ".join("WHEN ? THEN ?" for _ in row)
        places = ", ".join("?" for _ in row)
        kept = ("outpoint", "vault")
        if event is Event.LOSE:  # a vault that is lost leaves a deposit that is paid
            kept = ("CASE state WHEN 'vault' THEN outpoint END", "NULL")
        statement = (
            f"UPDATE deposits SET event = ?, height = ?, detail = ?, outpoint = coalesce(?, {kept[0]}),"
            f" vault = coalesce(?, {kept[1]}), state = CASE state {cases} END WHERE id = ? AND state IN ({places})"
        )
        values: list[Value] = [event.value, height, detail, _text(outpoint), _text(vault)]
        values += [state.value for pair in row.items() for state in pair]
        values += [name, *(state.value for state in row)]
        done = self._db.execute(statement, values)
        found = self.get(name)
        if not done.rowcount:
            raise Refused(f"deposit {name} is {found.state.value}; {event.value} cannot happen to it any more or yet")
        return found

    def get(self, prefix: str) -> Deposit:
        """The deposit whose id begins so. Raises InvalidInput for none or several."""
        query = f"SELECT {_COLUMNS} FROM deposits WHERE substr(id, 1, ?) = ? ORDER BY id"
        rows = self._db.rows(query, (len(prefix), prefix))
        if len(rows) != 1 or not prefix:
            raise InvalidInput(f"{len(rows)} deposits have an id that begins with {prefix!r}; see `bridge status`")
        return _deposit(rows[0])

    def all_deposits(self) -> list[Deposit]:
        """All of them, oldest first."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM deposits ORDER BY"
            " (SELECT min(number) FROM history WHERE history.deposit = deposits.id)"
        )
        return [_deposit(row) for row in rows]

    def history(self, name: str) -> list[Step]:
        """What happened to a deposit, in order."""
        query = "SELECT event, before, after, height, detail FROM history WHERE deposit = ? ORDER BY number"
        return [Step(*row) for row in self._db.rows(query, (name,))]


def deposit_id(kit: RefundKit) -> str:
    """An id from what is paid to: hexadecimal."""
    return tagged_hash("btc-l2/deposit-id", kit.output.script_pubkey).hex()[:_ID_DIGITS]


def _deposit(row: tuple[Any, ...]) -> Deposit:
    name, state, terms, parties, outpoint, vault, height, detail = row
    try:
        return Deposit(
            name, State(state), Terms.from_json(json.loads(terms)), Parties.from_json(json.loads(parties)),
            _outpoint(outpoint), _outpoint(vault), int(height), detail,
        )  # fmt: skip
    except (ValueError, InvalidInput) as error:
        raise VerificationFailed(f"deposit {name} is recorded wrongly ({error}); restore the record") from error


def _json(value: Terms | Parties) -> str:
    return json.dumps(value.to_json(), sort_keys=True)


def _text(outpoint: OutPoint | None) -> str | None:
    return None if outpoint is None else str(outpoint)


def _outpoint(text: str | None) -> OutPoint | None:
    return None if text is None else OutPoint.from_str(text)
