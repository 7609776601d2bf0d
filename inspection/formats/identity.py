"""How long a name may be: what a file calls a lot, a wafer, a class or a column is kept in tables and shown to people.

The limit is that of STDF, whose strings have a length of one byte: no file of that format is refused for it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from inspection.errors import FormatError
from inspection.wafer.maps import DefectMap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inspection.wafer.maps import SourceWafer, WaferInfo

LONGEST = 255
"""Characters."""

_NAMES = ("lot", "wafer", "product", "layer", "tool", "chamber", "recipe")


def check_info(info: WaferInfo, where: str) -> WaferInfo:
    """``info``, after its names were held against `LONGEST`.

    Raises
    ------
    FormatError
        ``file.identity``.
    """
    _check(((name, getattr(info, name)) for name in _NAMES), where)
    return info


def check_wafer(wafer: SourceWafer, where: str) -> SourceWafer:
    """``wafer``, after the names of `check_info`, its label, its classes and its columns were held against `LONGEST`.

    Raises
    ------
    FormatError
        ``file.identity``.
    """
    check_info(wafer.map.info, where)
    columns = wafer.map.attributes if isinstance(wafer.map, DefectMap) else ()
    named = (("class", name) for name in wafer.classes.values())
    _check(chain([("label", wafer.label)], named, (("column", name) for name in columns)), where)
    return wafer


def _check(names: Iterable[tuple[str, str | None]], where: str) -> None:
    for what, name in names:
        if name is not None and len(name) > LONGEST:
            raise FormatError(
                "file.identity",
                where=where,
                expected=f"a name of the {what} of at most {LONGEST} characters",
                got=f"{len(name)} characters: {name[:40]}...",
                action="The file is damaged, or another text stands where the name should: export it again with the name.",
            )
