"""Addresses: what people read and type. Inside the project outputs are script bytes.

Door to bitcoin-utils: only its bech32 code and its table of prefixes are used, which take the network as an
argument; its address classes keep the network in a global variable and know no anchor outputs. Segwit outputs of every
version work (BIP173, BIP350); the older base58 addresses are not needed here. Main network is refused.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from bitcoinutils import bech32 as _bech32
from bitcoinutils.constants import NETWORK_SEGWIT_PREFIXES

from taproot.errors import InvalidInput, Refused

Network = Literal["regtest", "signet", "testnet"]
NETWORKS: tuple[Network, ...] = get_args(Network)

_codec: Any = _bech32
_OP_1 = 0x51


def encode_address(script_pubkey: bytes, network: str) -> str:
    """Address of a segwit output script on a test network.

    Raises InvalidInput for other scripts and unknown networks, Refused for the main network.
    """
    prefix = _prefix(network)
    version, program = _split_witness_program(script_pubkey)
    address: str | None = _codec.encode(prefix, version, list(program))
    if address is None:
        raise InvalidInput(f"script {script_pubkey.hex()} has no address: witness program of a wrong size")
    return address


def decode_address(address: str, network: str) -> bytes:
    """Output script of a bech32 or bech32m address.

    Raises InvalidInput for a wrong checksum, another network or kind, Refused for an address of the main network.
    """
    prefix = _prefix(network)
    if address.lower().startswith(NETWORK_SEGWIT_PREFIXES["mainnet"] + "1"):
        raise Refused(f"{address} is an address of the main network; this software is for test networks only")
    version, program = _codec.decode(prefix, address)
    if version is None:
        raise InvalidInput(f"{address} is not a segwit address of {network} ({prefix}1…); check it for typing errors")
    return bytes([version + _OP_1 - 1 if version else 0, len(program), *program])


def checked_network(name: str) -> Network:
    """The network of this name. Raises Refused for the main network, InvalidInput for a name that is none."""
    if name in ("mainnet", "main", "bitcoin"):
        raise Refused("the main network is refused; use regtest, signet or testnet")
    for network in NETWORKS:
        if network == name:
            return network
    raise InvalidInput(f"unknown network {name!r}; use {', '.join(NETWORKS)}")


def _prefix(network: str) -> str:
    prefix: str = NETWORK_SEGWIT_PREFIXES[checked_network(network)]
    return prefix


def _split_witness_program(script: bytes) -> tuple[int, bytes]:
    """Version and program of a segwit output script (BIP141 "Witness program")."""
    if not 4 <= len(script) <= 42 or script[1] != len(script) - 2:
        raise InvalidInput(f"script {script[:48].hex()} is not a segwit output and has no address")
    if script[0] != 0 and not _OP_1 <= script[0] <= _OP_1 + 15:
        raise InvalidInput(f"script {script.hex()} does not start with a witness version")
    return (script[0] - _OP_1 + 1 if script[0] else 0), script[2:]
