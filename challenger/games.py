"""From what the parties agreed on to the games' scripts: the `BuildGames` of a presigned graph, with caching."""

from __future__ import annotations

from collections.abc import Mapping

from btc_l2.zkvm.image import Image
from challenger.commit import GameId, public_keys
from challenger.presign.ceremony.agreement import Craft
from challenger.presign.proposal import Proposal
from challenger.turns import Game, GameInput, build_game
from taproot.connectors.turn import GameScripts, Role
from taproot.errors import InvalidInput
from taproot.terms import Terms

IMAGE_ROOT, ENDIAN = "image_root", "endian"


def constants_of(image: Image) -> dict[str, bytes]:
    """What the scripts depend on besides keys and terms."""
    return {IMAGE_ROOT: image.root(), ENDIAN: image.endian.encode()}


def game_inputs(proposal: Proposal) -> dict[str, GameInput]:
    """The input of each game by challenger. Raises InvalidInput where a constant is missing or unknown."""
    root, endian = (proposal.constants.get(name, b"") for name in (IMAGE_ROOT, ENDIAN))
    if len(root) != 32 or endian not in (b"big", b"little"):
        raise InvalidInput("the proposal names no image root or byte order; it belongs to another kind of program")
    parties = proposal.parties
    all_key = parties.n_of_n().domain
    return {
        name: GameInput(
            name,
            all_key,
            parties.operator.x_only,
            parties.party(name).x_only,
            proposal.terms.arities,
            {**keys.operator, **keys.challenger},
            root,
            "big" if endian == b"big" else "little",
            proposal.terms.digest,
        )
        for name, keys in proposal.one_time.items()
    }


class GameLibrary:
    """Games of one process: each is built once for the same input, whoever asks."""

    def __init__(self) -> None:
        self._built: list[tuple[GameInput, Game]] = []

    def games(self, proposal: Proposal) -> dict[str, Game]:
        """All games of a proposal."""
        return {name: self._game(given) for name, given in game_inputs(proposal).items()}

    def scripts(self, proposal: Proposal) -> Mapping[str, GameScripts]:
        """The `BuildGames` function."""
        return {name: game.scripts for name, game in self.games(proposal).items()}

    def _game(self, given: GameInput) -> Game:
        for known, game in self._built:
            if known == given:
                return game
        game = build_game(given)
        self._built.append((given, game))
        return game


def craft_of(library: GameLibrary) -> Craft:
    """What a signing ceremony needs to know about the game."""
    return Craft(_public_keys, library.scripts)


def _public_keys(seed: bytes, game: GameId, role: Role, terms: Terms) -> dict[str, bytes]:
    return public_keys(seed, game, role, terms.arities, terms.digest)
