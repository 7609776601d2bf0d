from __future__ import annotations

import numpy as np
import pytest
from inference_fab import read_maps

from inspection.errors import InputNotFoundError
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.inference.shards import ShardReader
from inspection.wafer.maps import SourceWafer

ONE, TWO = f"{1:064x}", f"{2:064x}"


@pytest.fixture
def folder(tmp_path):
    for sha256, indices in ((ONE, [0, 1, 3, 7]), (TWO, [2, 5])):  # the rest was quarantined
        payloads = [{"file_sha256": sha256, "index": i} for i in indices]
        wafers = [SourceWafer(p["index"], m) for p, m in zip(payloads, read_maps(payloads), strict=True)]
        write_shard(tmp_path / f"{sha256}.parquet", [CanonicalWafer(sha256, "a.klarf", w) for w in wafers])
    return tmp_path


def test_wafers_are_found_by_their_index_in_the_source_in_the_order_asked(folder):
    wanted = [{"file_sha256": s, "index": i} for s, i in ((ONE, 7), (ONE, 0), (TWO, 5), (ONE, 3), (TWO, 2))]
    for found, expected in zip(ShardReader(folder)(wanted), read_maps(wanted), strict=True):
        assert found.info.wafer == expected.info.wafer
        np.testing.assert_array_equal(found.xy_um, expected.xy_um)


def test_a_wafer_that_is_not_in_its_shard_is_named(folder):
    with pytest.raises(InputNotFoundError, match="No wafer 2 in the canonical shard"):
        ShardReader(folder)([{"file_sha256": ONE, "index": 2}])


def test_a_missing_shard_says_which_one_was_expected(folder):
    with pytest.raises(InputNotFoundError, match=f"expected .*{3:064x}.parquet"):
        ShardReader(folder)([{"file_sha256": f"{3:064x}", "index": 0}])
