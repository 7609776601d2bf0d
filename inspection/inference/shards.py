"""Reading the wafers of a claim from the canonical shards, each file once."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inspection.errors import InputNotFoundError
from inspection.formats.canonical import read_shard, shard_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from inspection.formats.canonical import CanonicalWafer
    from inspection.wafer.maps import InspectionMap, SourceWafer

FILES_REMEMBERED = 64


class ShardReader:
    """``Worker``'s ``read_maps`` over ``folder/SHA256.parquet``.

    A wafer is found by its index in the source, wherever it lies in the shard: shards leave out quarantined wafers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._positions = lru_cache(FILES_REMEMBERED)(self._read_positions)

    def __call__(self, payloads: Sequence[dict[str, Any]]) -> list[InspectionMap]:
        """The maps of ``payloads`` (``file_sha256``, ``index``), in their order; best ordered by file and index.

        Raises
        ------
        InputNotFoundError
            No shard for a file, or no such wafer in it.
        """
        return [source.map for source in self.sources(payloads)]

    def sources(self, payloads: Iterable[Mapping[str, Any]]) -> Iterator[SourceWafer]:
        """As when called, one after the other, each with all that its source said of it."""
        for sha256, group in groupby(payloads, key=lambda payload: payload["file_sha256"]):
            for row in self._rows(sha256, [payload["index"] for payload in group]):
                yield row.wafer

    def _rows(self, sha256: str, indices: Sequence[int]) -> Iterator[CanonicalWafer]:
        positions = self._positions(sha256)
        missing = [index for index in indices if index not in positions]
        if missing:
            raise InputNotFoundError(
                f"No wafer {missing[0]} in the canonical shard of file {sha256}: expected one of its {len(positions)} "
                "wafers. Ingest the file again."
            )
        return read_shard(self._path(sha256), [positions[index] for index in indices])

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.parquet"

    def _read_positions(self, sha256: str) -> dict[int, int]:
        path = self._path(sha256)
        if not path.is_file():
            raise InputNotFoundError(f"No canonical shard: expected {path}. Ingest the file again.")
        return {int(index): place for place, index in enumerate(shard_index(path)["index"])}
