"""The YAML of a sidecar, read so that nothing in it unfolds, is run or nests without end.

A sidecar comes from the same hands as its raster or table and is believed as little. YAML's aliases (and the merge keys that
need them) let a page of text stand for 10^12 values, and PyYAML unfolds merge keys while it reads: no sidecar needs either.
"""

from __future__ import annotations

from typing import Any

import yaml

_DEEPEST = 16
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: twenty times faster."""


def load(content: str) -> Any:
    """The one document in ``content`` as plain values; None where it is empty.

    Raises
    ------
    yaml.YAMLError
        No YAML, an alias, lists in lists beyond ``_DEEPEST``, or a value that is not what its form or tag promises (a 13th
        month, for example).
    """
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{event.anchor}: write the value itself")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"values nested more than {_DEEPEST} deep")
    try:
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader: plain values only
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:  # what its constructors raise
        raise yaml.YAMLError(f"a value that is none: {error}") from error
