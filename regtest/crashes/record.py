"""The depositor of a story and her record, which she keeps through all her deaths; beside it a twin that never dies."""

from __future__ import annotations

import json
from pathlib import Path

from btc_l2.bridge.deposits import Deposit, DepositStore, Step
from btc_l2.bridge.follow import follow
from btc_l2.bridge.states import Event, State
from btc_l2.chain.protocol import Chain
from btc_l2.database import IN_MEMORY
from btc_l2.durable import make_folder, replace_file, write_once
from regtest.crashes.points import Watch
from regtest.outcome import expect
from regtest.party import DEPOSITOR, Cast
from taproot.terms import Terms


class Record:
    """The depositor's folder: her key, the state of her deposit, the refund kit; as `btc-l2 bridge` keeps them.

    `twin` is told the same and never dies.
    """

    def __init__(self, watch: Watch, folder: Path, chain: Chain, cast: Cast, terms: Terms) -> None:
        self._watch, self._folder, self._chain = watch, folder, chain
        self._key = cast.secrets[DEPOSITOR].key
        self._terms, self._parties = terms, cast.parties
        watch.homes[DEPOSITOR] = (folder,)
        watch.mourners[DEPOSITOR] = self._drop
        self._store: DepositStore | None = None
        self.twin = DepositStore(IN_MEMORY)
        self.twin.announce(self._terms, self._parties, 0)
        watch.live(DEPOSITOR, self._announce)

    def look(self) -> None:
        """Bring the record up to the chain; what the other layer and the signers tell her is told at once."""
        self._watch.live(DEPOSITOR, self._follow)
        _bring_up(self.twin, self._chain)

    def check(self) -> None:
        """Raises VerificationFailed if the record differs from the one that never died."""
        mine, twin = (_told(store) for store in (self._open(), self.twin))
        expect(mine == twin, f"the record of the deposit says {mine}, without deaths {twin}")

    def _drop(self) -> None:
        """What the dead process had open was closed with it."""
        self._store = None

    def _open(self) -> DepositStore:
        if self._store is None:
            make_folder(self._folder)
            self._store = DepositStore(self._folder / "deposits.sqlite")
        return self._store

    def _announce(self) -> None:
        store = self._open()
        write_once(self._folder / "dora.key", self._key.to_bytes().hex().encode())
        if not store.all_deposits():
            store.announce(self._terms, self._parties, 0)

    def _follow(self) -> None:
        found = _bring_up(self._open(), self._chain)
        content, path = json.dumps(found.kit.to_json()).encode(), self._folder / "kit.json"
        if not path.exists() or path.read_bytes() != content:
            replace_file(path, content)


def _bring_up(store: DepositStore, chain: Chain) -> Deposit:
    """What happened on the chain; a deposit that is paid is presigned, one in the vault is credited at once."""
    (known,) = store.all_deposits()
    found = follow(store, chain, known.id)
    if found.state is State.FUNDED:
        found = store.apply(found.id, Event.PRESIGN, found.height)
    if found.state is State.VAULT:
        found = store.apply(found.id, Event.CREDIT, found.height)
    return found


def _told(store: DepositStore) -> tuple[Deposit, list[Step]]:
    (found,) = store.all_deposits()
    return found, store.history(found.id)
