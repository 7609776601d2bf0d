"""What a kind of fault is: a clean file, what happens to it, and how it must end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clean_files import Maker
    from numpy.random import Generator

    Damage = Callable[[Generator, Path], None]
    """Damages what lies at a path, in place; every generator another damage of the same kind."""

QUARANTINED = "quarantined"
"""The file is refused whole: byte-identical in quarantine with its reason, and nothing of it in the store."""
WAFER = "wafer"
"""One wafer of the file is refused and the others are taken in."""
NOTED = "noted"
"""The file is valid, and a note says what is odd: ``codes`` are how the note begins."""
LEFT = "left"
"""Not even claimed: ``codes`` are words of the notice."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    name : str
        ``FORMAT: WHAT IS WRONG``.
    clean : callable (generator, folder) -> path
        Writes the clean file.
    damage : callable (generator, path)
    codes : tuple of str
        How it may end; several only where the place of the damage decides.
    ends : str
    """

    name: str
    clean: Maker
    damage: Damage
    codes: tuple[str, ...]
    ends: str = QUARANTINED

    @property
    def format(self) -> str:
        """Name of the format in ``formats/table.py``, ``compressed`` or ``any``."""
        return self.name.partition(":")[0]


def faults(form: str, clean: Maker, rows: list[tuple]) -> list[Fault]:
    """Kinds of one format from rows of (what is wrong, damage, code or codes, how it ends or nothing)."""
    return [
        Fault(f"{form}: {what}", clean, damage, codes if isinstance(codes, tuple) else (codes,), *ends)
        for what, damage, codes, *ends in rows
    ]


# --- damage that any file may have


def cut(low: float = 0.3, high: float = 0.9) -> Damage:
    """The file ends somewhere between two shares of its length, as a broken transfer leaves it."""

    def damage(rng: Generator, path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * rng.uniform(low, high))])

    return damage


def text(change: Callable[[Generator, str], str]) -> Damage:
    """The content as text, changed."""

    def damage(rng: Generator, path: Path) -> None:
        path.write_bytes(change(rng, path.read_bytes().decode("latin-1")).encode("latin-1"))

    return damage


def matched(change: Callable[[Generator, str], str], pattern: str) -> Damage:
    """One of the places that ``pattern`` finds in the text, changed."""

    def act(rng: Generator, whole: str) -> str:
        places = list(re.finditer(pattern, whole))
        chosen = places[rng.integers(len(places))]
        return whole[: chosen.start()] + change(rng, chosen[0]) + whole[chosen.end() :]

    return text(act)


def content(change: Callable[[Generator, bytes], bytes]) -> Damage:
    """The bytes, changed."""

    def damage(rng: Generator, path: Path) -> None:
        path.write_bytes(change(rng, path.read_bytes()))

    return damage


def replaced(old: str, new: str, count: int = 1) -> Damage:
    """``old``, which the file must hold, becomes ``new``; ``{}`` in it a random number."""

    def change(rng: Generator, whole: str) -> str:
        assert old in whole, old
        return whole.replace(old, new.replace("{}", str(rng.integers(10**6, 10**9))), count)

    return text(change)
