"""What is odd about a file is said in a note that begins with a fixed word, so that notes of a kind can be counted."""

from __future__ import annotations

import re
import shutil

import diemap_faults
import klarf_faults
import numpy as np
import pytest
from fault import NOTED

from inspection.formats import table
from inspection.params import Ingest

KINDS = [kind for kind in (*klarf_faults.KINDS, *diemap_faults.KINDS) if kind.ends == NOTED]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_note_begins_with_the_same_word_whatever_the_numbers_are(tmp_path, kind):
    words = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = kind.clean(np.random.default_rng(seed), folder)
        kind.damage(np.random.default_rng(seed), path)
        notes = [note for wafer in table.read(path, Ingest()) for note in wafer.notes]
        assert all(re.match(r"[^\W\d][^\d:]*: \S", note) for note in notes), notes
        words.append({note.partition(":")[0] for note in notes})
        shutil.rmtree(folder)
    assert set.intersection(*words)
