"""The hard setting is frozen: what was measured on it must stay comparable."""

import hashlib

from inspection.simulator.difficulty import HARD, HARD_VERSION

FROZEN = {1: "660b0f544d6c4509"}
"""Version to the digest of its numbers; see bench_hard_fab.py. A changed number is a new version, never an edit here."""


def test_the_numbers_of_a_version_never_change():
    assert hashlib.sha256(repr(HARD).encode()).hexdigest()[:16] == FROZEN[HARD_VERSION]
