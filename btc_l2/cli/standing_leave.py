"""`btc-l2 standing leave` and `exit`: the slow exit of a stake or bond, signed with the keystore.

Nothing is sent without `--broadcast`; what is printed or sent has been judged by libbitcoinkernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_l2.cli.bridge_options import ChainFolder, Cookie, FeeRate, Network, Node, To
from btc_l2.cli.output import print_document
from btc_l2.cli.signer_options import AsJson, Home, PassphraseFd, PassphraseFile
from btc_l2.cli.standing_bundles import BundlesIfAny, InCeremony, choose
from taproot.errors import Unavailable

if TYPE_CHECKING:
    from btc_l2.cli.standing_bundles import Source
    from challenger.agents.leaving import Held
    from challenger.keystore import KeySet
    from taproot.tx import Transaction

Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="stake0, bond.NAME, OPERATOR/bond.NAME, or its outpoint.")
]
Broadcast = Annotated[bool, typer.Option("--broadcast", help="Send it; else it is only printed.")]


def leave(
    output: Output, bundles: BundlesIfAny = None, ceremony: InCeremony = None,
    during_claim: Annotated[bool, typer.Option("--during-claim", help="Though it answers for an open claim.")] = False,
    broadcast: Broadcast = False, fee_rate: FeeRate = None, home: Home = None,
    passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None, node: Node = None,
    cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Announce that a stake or bond leaves; it is free `exit_delay` blocks later. The fee wallet pays."""
    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import home_of
    from challenger.agents.leaving import check_leave, make_leave
    from challenger.agents.wallet import Wallet
    from taproot.address import encode_address

    source = choose(bundles, ceremony, home_of(home))
    held, keys = _find(source, output, home, passphrase_file, passphrase_fd)
    with open_chain(node, cookie, network, chain) as opened:
        check_leave(opened, held, during_claim)
        wallet = Wallet(opened, keys.key)
        address = encode_address(wallet.script_pubkey, held.graph.contract.terms.network)
        signatures = source.signatures(held.graphs)
        try:
            package = make_leave(held, signatures, keys.key, wallet, fee_rate or opened.estimate_fee())
        except Unavailable as error:
            raise Unavailable(f"{error}; its address is {address}") from error
        if broadcast:
            opened.broadcast(package)
        free = opened.tip().height + 1 + held.graph.contract.terms.exit_delay
    print_document(_told(held, package, broadcast) | {"free_from_height": free}, as_json)


def take_home(
    output: Output, bundles: BundlesIfAny = None, ceremony: InCeremony = None, to: To = None,
    broadcast: Broadcast = False, fee_rate: FeeRate = None, home: Home = None,
    passphrase_file: PassphraseFile = None, passphrase_fd: PassphraseFd = None, node: Node = None,
    cookie: Cookie = None, network: Network = "regtest", chain: ChainFolder = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take a stake or bond home that has left long enough ago; it pays its own fee."""
    from btc_l2.cli.bridge_home import open_chain
    from btc_l2.cli.signer_desk import home_of
    from challenger.agents.leaving import check_exit, make_exit
    from taproot.address import decode_address
    from taproot.connectors.output import payout_script

    held, keys = _find(choose(bundles, ceremony, home_of(home)), output, home, passphrase_file, passphrase_fd)
    contract = held.graph.contract
    script_pubkey = decode_address(to, contract.terms.network) if to else payout_script(contract, held.owner)
    with open_chain(node, cookie, network, chain) as opened:
        check_exit(opened, held)
        tx = make_exit(held, keys.key, script_pubkey, fee_rate or opened.estimate_fee())
        opened.check(tx)
        if broadcast:
            opened.broadcast(tx)
    print_document(_told(held, [tx], broadcast) | {"pays": tx.outputs[0].value}, as_json)


def _find(
    source: Source, output: str, home: Path | None, passphrase_file: Path | None, passphrase_fd: int | None
) -> tuple[Held, KeySet]:
    """What is meant, and the keys of its owner."""
    from btc_l2.cli.signer_desk import home_of, open_keys, read_passphrase
    from challenger.agents.leaving import find_held

    name, keys = open_keys(home_of(home), read_passphrase(passphrase_file, passphrase_fd))
    held = find_held(source.graphs(), name, output)
    held.check_key(keys.key)
    return held, keys


def _told(held: Held, package: list[Transaction], sent: bool) -> dict[str, Any]:
    return {
        "output": held.name, "outpoint": str(held.outpoint), "party": held.owner, "txid": package[0].txid_hex,
        "vbytes": sum(tx.vbytes for tx in package), "judge": "libbitcoinkernel", "broadcast": sent,
        "transactions": [tx.serialize().hex() for tx in package],
    }  # fmt: skip
