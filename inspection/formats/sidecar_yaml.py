"""The YAML of a sidecar as text: every value as it stands, so that wafer ``03`` stays ``03``.

YAML 1.1 would make a number of it, and its library fails on some dates and numbers with errors of their own; what a value means is
for the model of the sidecar to say.
"""

from __future__ import annotations

from typing import Any

import yaml

_DEEPEST = 16
_NOTHING = frozenset(("", "~", "null", "Null", "NULL"))


class _Loader(yaml.BaseLoader):
    """Text, lists and mappings only; no deeper than any sidecar's need, for each level costs the library more than the last."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self._check(self.depth)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        self._check(self.flow_level)  # read ahead of the nodes
        super().fetch_flow_collection_start(token)

    def _check(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"more than {_DEEPEST} lists and mappings in each other")


def mapping_of(text: str) -> dict[str, Any]:
    """The mapping in ``text``: its values are text, or lists and mappings of text. A key without a value is left out.

    Raises
    ------
    ValueError
        It is no YAML, or no mapping.
    """
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a BaseLoader: it builds nothing but text
    except (yaml.YAMLError, OverflowError) as error:
        raise ValueError(f"{error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"a YAML mapping, got {type(content).__name__}")  # noqa: TRY004 - what a sidecar's reader turns into its refusal
    return {str(key): value for key, value in content.items() if not (isinstance(value, str) and value in _NOTHING)}
