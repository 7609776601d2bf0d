"""What the YAML sidecars of rasters and of tables share: how they are read, and what they say of a wafer.

A sidecar comes from the same hands as its file and is believed as little. Every value is read as text, so that wafer ``03`` stays ``03``
(YAML 1.1 would make a number of it, and its library fails on some dates and numbers with errors of their own); what a value means is for
the model to say. Aliases let a page of text stand for 10**12 values: no sidecar needs one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from inspection.errors import FormatError, bounded

if TYPE_CHECKING:
    from pathlib import Path

SIDECARS = (".yaml", ".yml")
_DEEPEST = 16
_MISSPELT = 0.8
"""Likeness to a key from which an unknown one is taken for a mistake."""
_NOTHING = frozenset(("", "~", "null", "Null", "NULL"))
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Builds text, lists and mappings only; libyaml's where PyYAML was built with it, twenty times faster."""


def _plain(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name without control characters")
    return name


def _utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time between the years 1 and 9999") from error


Name = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
UtcTime = Annotated[datetime, AfterValidator(_utc)]
"""Without a zone it is taken as UTC."""
Index = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Size = Annotated[float, Field(gt=0, le=1e9)]
Place = Annotated[float, Field(ge=-1e12, le=1e12)]
Diameter = Annotated[float, Field(gt=0, le=10_000)]


class OfWafer(BaseModel):
    """The keys that say which wafer it is; unknown ones are noted, not refused."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    lot: Name = ""
    wafer: Name | None = None
    slot: Index | None = None
    product: Name | None = None
    layer: Name | None = None
    tool: Name | None = None
    chamber: Name | None = None
    recipe: Name | None = None
    inspected_at: UtcTime | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the sidecar itself."""
        unknown = sorted(map(str, self.model_extra or {}))
        return (f"sidecar: unknown keys {bounded(unknown)}",) if unknown else ()


Keys = TypeVar("Keys", bound=OfWafer)


def parse(keys: type[Keys], path: Path, code: str, most_bytes: int) -> Keys:
    """The sidecar at ``path``.

    Raises
    ------
    FormatError
        ``code``: too long, no YAML, no mapping, or a value outside its domain.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise refused(path, code, f"at most {most_bytes} bytes", path.stat().st_size)
        parsed = keys.model_validate(mapping_of(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise refused(path, code, "values in their domain", bounded(faults)) from error
    except ValueError as error:
        raise refused(path, code, "a mapping of YAML in UTF-8", error) from error
    for key in parsed.model_extra or {}:  # a misspelt threshold or orientation would move or lose defects
        if meant := get_close_matches(str(key).lower(), keys.model_fields, 1, _MISSPELT):
            raise refused(path, code, f"the key {meant[0]}", f"{key!s:.60}")
    return parsed


def mapping_of(text: str) -> dict[str, Any]:
    """The mapping in ``text``: its values are text, or lists and mappings of text. A key without a value is left out.

    Raises
    ------
    ValueError
        No YAML, no mapping, an alias, or values nested more than ``_DEEPEST`` deep.
    """
    try:
        _refuse_unfolding(text)
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a base loader: it builds nothing but text
    except (yaml.YAMLError, OverflowError, TypeError) as error:  # TypeError: a list as a key
        raise ValueError(f"{error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"a YAML mapping, got {type(content).__name__}")  # noqa: TRY004 - one error for whatever is wrong
    return {str(key): value for key, value in content.items() if not (isinstance(value, str) and value in _NOTHING)}


def _refuse_unfolding(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{event.anchor}: write the value itself")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"values nested more than {_DEEPEST} deep")


def refused(path: Path, code: str, expected: str, got: object) -> FormatError:
    """The error of a sidecar."""
    return FormatError(code, where=path.name, expected=expected, got=got, action="Correct the sidecar and send it again.")
