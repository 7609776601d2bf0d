"""Faults of the die-map formats, all of them."""

from __future__ import annotations

import npz_faults
import semi_faults
import sinf_faults
import stdf_faults
import wm811k_faults

KINDS = [*npz_faults.KINDS, *wm811k_faults.KINDS, *sinf_faults.KINDS, *semi_faults.KINDS, *stdf_faults.KINDS]
