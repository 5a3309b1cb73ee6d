"""What a watchtower remembers of the chain: one SQLite file per party, beside the journals of its deposits.

Tables: `outputs` and `transactions` are the index of all graphs, written once when a deposit is registered; `blocks`
and `events` follow the best chain; `moves` has since when a move is wanted and what was offered for it; `alarms` has
what is wrong. Each change is one transaction, and a step of the chain is a conditional UPDATE of the height that it
stands on: of two towers on one file, or of one that was killed and one that was started, only one takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from btc_l2.database import Database, Words
from challenger.watchtower.fault import fault_point
from taproot.errors import Refused

VERSION = "1"
_WORDS = Words("store", "free space or check the folder", "remove it, the chain has all")
_ROWS_AT_ONCE = 500  # values in one query
_TABLES = """
CREATE TABLE IF NOT EXISTS deposits (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, outpoint TEXT NOT NULL, bundle TEXT NOT NULL,
    role TEXT NOT NULL, terms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outputs (
    outpoint BLOB, deposit INTEGER, name TEXT NOT NULL, PRIMARY KEY (outpoint, deposit)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transactions (
    key BLOB, deposit INTEGER, name TEXT NOT NULL, leaf BLOB, PRIMARY KEY (key, deposit)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    deposit INTEGER, height INTEGER, place INTEGER, name TEXT NOT NULL, raw BLOB NOT NULL,
    PRIMARY KEY (deposit, height, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (
    deposit INTEGER, name TEXT, since INTEGER, offered INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (deposit, name)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (
    deposit TEXT, kind TEXT, subject TEXT, text TEXT NOT NULL, raised INTEGER NOT NULL, cleared INTEGER,
    PRIMARY KEY (deposit, kind, subject)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A deposit that is watched: SHA-256 (hex) of its bundle, what the party is in it, its terms (JSON)."""

    id: int
    name: str
    outpoint: str
    bundle: str
    role: str
    terms: str


@dataclass(frozen=True, slots=True)
class Event:
    """A confirmed transaction that spends an output of a deposit's graph; `place` is its position in the block."""

    deposit: int
    height: int
    place: int
    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class StandingAlarm:
    """An alarm that was raised at a height and is not cleared."""

    deposit: str
    kind: str
    subject: str
    text: str
    raised: int


class Store:
    """The durable memory of one party's watchtower."""

    def __init__(self, path: Path | str, party: str) -> None:
        """Open or create. Raises Unavailable if the file cannot be used, VerificationFailed if it is another's."""
        self.path = str(path)
        self._db = Database(path, _TABLES, _WORDS, {"version": VERSION, "party": party})

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ---- deposits --------------------------------------------------------------------------------------

    def deposits(self) -> list[Registered]:
        """All that are watched, oldest first."""
        query = "SELECT id, name, outpoint, bundle, role, terms FROM deposits ORDER BY id"
        return [Registered(*row) for row in self._db.rows(query)]

    def register(
        self, deposit: Registered,
        outputs: Iterable[tuple[bytes, str]], transactions: Iterable[tuple[bytes, str, bytes | None]],
    ) -> Registered:  # fmt: skip
        """Watch another deposit, which gets its id: all rows or none. Refused if the name has another bundle."""
        known = next((d for d in self.deposits() if d.name == deposit.name), None)
        if known is not None:
            if known.bundle != deposit.bundle:
                raise Refused(f"deposit {known.name} was registered with another bundle; use another folder for it")
            return known
        with self._db.writing():
            d = deposit
            query = "INSERT INTO deposits (name, outpoint, bundle, role, terms) VALUES (?, ?, ?, ?, ?)"
            added = self._db.execute(query, (d.name, d.outpoint, d.bundle, d.role, d.terms)).lastrowid
            assert added is not None
            self._db.execute_for_each("INSERT INTO outputs VALUES (?, ?, ?)", ((o, added, n) for o, n in outputs))
            rows = ((key, added, n, leaf) for key, n, leaf in transactions)
            self._db.execute_for_each("INSERT INTO transactions VALUES (?, ?, ?, ?)", rows)
        return replace(deposit, id=added)

    def find_outputs(self, outpoints: Sequence[bytes]) -> list[tuple[bytes, int, str]]:
        """(outpoint, deposit, name) of those that are watched."""
        return self._find("outpoint, deposit, name", "outputs", "outpoint", outpoints)

    def find_transactions(self, keys: Sequence[bytes]) -> list[tuple[bytes, int, str, bytes | None]]:
        """(key, deposit, name, leaf) of the transactions of the graphs with these keys."""
        return self._find("key, deposit, name, leaf", "transactions", "key", keys)

    def _find(self, columns: str, table: str, column: str, values: Sequence[bytes]) -> list[Any]:
        found = []
        for at in range(0, len(values), _ROWS_AT_ONCE):
            part = values[at : at + _ROWS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            found += self._db.rows(f"SELECT {columns} FROM {table} WHERE {column} IN ({marks})", part)
        return found

    # ---- the chain -------------------------------------------------------------------------------------

    def tip(self) -> tuple[int, bytes] | None:
        """Height and hash of the last block taken in."""
        rows = self._db.rows("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1")
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def hash_at(self, height: int) -> bytes | None:
        """Hash of a block taken in, unless it is forgotten."""
        rows = self._db.rows("SELECT hash FROM blocks WHERE height = ?", (height,))
        return bytes(rows[0][0]) if rows else None

    def advance(self, base: int, blocks: Sequence[tuple[int, bytes]], events: Sequence[Event], keep: int) -> bool:
        """Take in the blocks that follow height `base`, with their events; False if somebody else was there first.

        Of the blocks the last `keep` are remembered.
        """
        with self._db.writing():
            if not self._move_height(base, blocks[-1][0]):
                return False
            self._db.execute_for_each("INSERT OR REPLACE INTO blocks VALUES (?, ?)", blocks)
            self._db.execute("DELETE FROM blocks WHERE height <= ?", (blocks[-1][0] - keep,))
            self._db.execute_for_each(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?)",
                [(e.deposit, e.height, e.place, e.name, e.raw) for e in events],
            )
            fault_point("store.blocks")
        return True

    def rewind(self, base: int, height: int) -> bool:
        """Forget everything above `height`, standing at `base`; False if somebody else was there first."""
        with self._db.writing():
            if not self._move_height(base, height):
                return False
            self._db.execute("DELETE FROM blocks WHERE height > ?", (height,))
            self._db.execute("DELETE FROM events WHERE height > ?", (height,))
            fault_point("store.rewind")
        return True

    def begin(self, start: int) -> None:
        """Without a height yet: the first block to take in is `start`."""
        with self._db.writing():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('height', ?)", (str(start - 1),))

    def height(self) -> int:
        """Height up to which the chain is taken in."""
        return int(self._db.rows("SELECT value FROM meta WHERE name = 'height'")[0][0])

    def _move_height(self, base: int, height: int) -> bool:
        query = "UPDATE meta SET value = ? WHERE name = 'height' AND value = ?"
        return self._db.execute(query, (str(height), str(base))).rowcount == 1

    def events(self, deposit: int, above: int = -1) -> list[Event]:
        """What confirmed of a deposit, in the order of the chain."""
        query = "SELECT * FROM events WHERE deposit = ? AND height > ? ORDER BY height, place"
        return [Event(*row) for row in self._db.rows(query, (deposit, above))]

    def unknown_spends(self) -> list[Event]:
        """Spends of graphs' outputs that no graph knows."""
        query = (
            "SELECT * FROM events e WHERE name = 'unknown' AND NOT EXISTS (SELECT 1 FROM events o WHERE "
            "o.height = e.height AND o.place = e.place AND o.name <> 'unknown') ORDER BY height, place"
        )
        return [Event(*row) for row in self._db.rows(query)]

    # ---- moves and alarms ------------------------------------------------------------------------------

    def moves(self, deposit: int) -> list[tuple[str, int | None, int]]:
        """(name, height since when it is wanted, most sat offered) of each move."""
        return [(n, s, o) for n, s, o in self._db.rows("SELECT name, since, offered FROM moves WHERE deposit = ?",
                                                    (deposit,))]  # fmt: skip

    def want(self, deposit: int, since: Iterable[tuple[str, int]]) -> None:
        """These moves are wanted since these heights, no others are."""
        with self._db.writing():
            self._db.execute("UPDATE moves SET since = NULL WHERE deposit = ?", (deposit,))
            query = "INSERT INTO moves VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET since = excluded.since"
            self._db.execute_for_each(query, [(deposit, name, height) for name, height in since])

    def offer(self, deposit: int, name: str, fee: int) -> None:
        """A fee is about to be offered for a move; what was offered never sinks."""
        with self._db.writing():
            query = ("INSERT INTO moves VALUES (?, ?, NULL, ?) "
                     "ON CONFLICT DO UPDATE SET offered = max(offered, excluded.offered)")  # fmt: skip
            self._db.execute(query, (deposit, name, fee))

    def raise_alarm(self, alarm: StandingAlarm) -> bool:
        """True if it was not standing already."""
        query = (
            "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET "
            "text = excluded.text, raised = excluded.raised, cleared = NULL WHERE cleared IS NOT NULL"
        )
        a = alarm
        with self._db.writing():
            return self._db.execute(query, (a.deposit, a.kind, a.subject, a.text, a.raised)).rowcount == 1

    def clear_alarm(self, deposit: str, kind: str, subject: str, height: int) -> bool:
        """True if it was standing."""
        query = ("UPDATE alarms SET cleared = ? "
                 "WHERE deposit = ? AND kind = ? AND subject = ? AND cleared IS NULL")  # fmt: skip
        with self._db.writing():
            return self._db.execute(query, (height, deposit, kind, subject)).rowcount == 1

    def alarms(self) -> list[StandingAlarm]:
        """Those that stand."""
        query = "SELECT deposit, kind, subject, text, raised FROM alarms WHERE cleared IS NULL ORDER BY raised, kind"
        return [StandingAlarm(*row) for row in self._db.rows(query)]
