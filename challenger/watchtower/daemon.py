"""The loop around the tower: look, show, wait for the next block; ends at SIGTERM or SIGINT after the round it is in.

Only one daemon works on a state folder: a second one is refused by the folder's lock.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from btc_l2.durable import locked, make_folder
from challenger.watchtower.notice import Notices
from challenger.watchtower.orders import Orders
from challenger.watchtower.pages import Pages, PageServer
from challenger.watchtower.phase import find_phase
from challenger.watchtower.tower import Tower

log = logging.getLogger(__name__)
_MISSED_LOOKS = 3  # after which `/healthz` says that the tower is not well


def describe(tower: Tower) -> dict[str, Any]:
    """What `/status` and `btc-l2 watchtower status` show."""
    deposits = []
    for d in tower.store.deposits():
        phase, since = find_phase(tower.store.events(d.id))
        case = tower.cases.get(d.id)
        wanted = [] if case is None or case.agent is None else [step.name for step in case.agent.wanted]
        row = {"name": d.name, "role": d.role, "phase": phase.value, "since": since, "wanted": wanted}
        deposits.append(row)
    alarms = [{"deposit": a.deposit, "kind": a.kind, "subject": a.subject, "text": a.text} for a in
              tower.board.standing.values()]  # fmt: skip
    return {
        "party": tower.orders.party, "height": tower.store.height(), "error": tower.last_error, "deposits": deposits,
        "alarms": alarms,
    }  # fmt: skip


def run(
    make_tower: Callable[[], Tower], notices: Notices, poll: float, http: tuple[str, int] | None,
    started: Callable[[int], None] = lambda _port: None, rounds: int | None = None,
) -> None:  # fmt: skip
    """Rounds until a signal comes, or `rounds` of them. `started` is told the port of the pages (0: none)."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: notices.stop())
    tower = make_tower()
    pages = Pages(_MISSED_LOOKS * poll + 60)
    server = PageServer(pages, *http) if http is not None else None
    try:
        started(server.port if server else 0)
        log.info("daemon.started party=%s zmq=%s", tower.orders.party, "yes" if notices.by_zmq else "no")
        left = rounds
        while left is None or left > 0:
            tower.tick()
            pages.show(tower.metrics.render(), describe(tower), tower.last_error)
            left = None if left is None else left - 1
            if not notices.wait(poll):
                break
    finally:
        log.info("daemon.stopped height=%d", tower.store.height())
        if server is not None:
            server.close()
        tower.close()
        notices.close()


def run_locked(orders: Orders, serve: Callable[[], None]) -> None:
    """Hold the state folder's lock meanwhile. Raises Unavailable if another daemon has it."""
    make_folder(orders.state)
    with locked(orders.state):
        serve()
