"""The tables that the expectations of a lot look at: one row per wafer, and one row per lot and layer. Pure.

A lot is one or more *inspections*: stretches of time without a pause of more than ``inspection_pause_h``. A wafer that comes
back later is a re-inspection, kept apart by its time; within one inspection a slot holds one wafer, and the lot is at one layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inspection.intake.history import LONGEST, QUANTILES, PastLot, count_limits, odds_of_no_defect, quartile

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from inspection.params import Validate

LOT = ["lot", "layer"]
USUAL = 0.9
"""A slot that this share of the earlier lots had inspected (of those that reach so far) is expected in the next lot."""
STRAY = 0.2
"""At most this share of an inspection's wafers under another layer is a mistake in the files, not a second layer."""


def wafer_table(facts: pd.DataFrame, params: Validate) -> pd.DataFrame:
    """Facts with plain types, and what a wafer is compared with.

    Parameters
    ----------
    facts : DataFrame
        One row per wafer, all layers of each lot:
        ``lot layer wafer slot kind product tool defects diameter_mm inspected_at source index notes``.
    params : Validate

    Returns
    -------
    DataFrame
        Also ``inspection`` (number within the lot), ``wafers_in_slot`` (in one layer and inspection), ``product_of_lot`` and
        ``diameter_of_lot`` (what most wafers say), ``layer_of_inspection``, and ``summary_faults`` (counts and densities in
        the file that disagree with its list). Null where nothing is to be compared: wafers without a lot share none of it.
        Such a wafer gets its place as its name.
    """
    table = facts.reset_index(drop=True).copy()
    nameless = table["lot"] == ""
    place = table["source"] + " #" + table["index"].astype(str)
    table["wafer"] = table["wafer"].where(table["wafer"] != "", None).where(~nameless, place)
    table["slot"] = pd.to_numeric(table["slot"])
    at = pd.to_datetime(table["inspected_at"])
    table["inspected_at"] = at.map(lambda time: "" if pd.isna(time) else str(time))
    table["inspection"] = _inspections(table["lot"], at, params.inspection_pause_h)
    named = table["wafer"].where(table["wafer"].notna(), place)
    in_slot = named.groupby([table[c] for c in ("lot", "layer", "inspection", "slot")]).transform("nunique")
    table["wafers_in_slot"] = in_slot.astype("float64").where(~nameless & table["slot"].notna())
    for column, most in (("product", "product_of_lot"), ("diameter_mm", "diameter_of_lot")):
        table[most] = _commonest(table[column], table["lot"]).where(~nameless)
    table["layer_of_inspection"] = _layer_of_inspection(table, named, at.notna() & ~nameless)
    table["summary_faults"] = [sum(note.startswith("summary:") for note in notes) for notes in table["notes"]]
    return table


def _inspections(lot: pd.Series, at: pd.Series, pause_h: float) -> pd.Series:
    """Number of the inspection of each wafer within its lot, from 0; wafers without a time belong to the first."""
    order = pd.DataFrame({"lot": lot, "at": at}).sort_values(["lot", "at"], kind="stable", na_position="first")
    pause = order.groupby("lot")["at"].diff() > pd.Timedelta(hours=pause_h)
    return pause.groupby(order["lot"]).cumsum().astype("int64").reindex(lot.index)


def _commonest(values: pd.Series, group: pd.Series) -> pd.Series:
    """What most rows of each group say, the first in the alphabet of equals; null where none says anything."""
    counts = pd.DataFrame({"group": group, "value": values}).dropna().value_counts().rename("rows").reset_index()
    best = counts.sort_values(["rows", "value"], ascending=[False, True]).drop_duplicates("group").set_index("group")["value"]
    return group.map(best)


def _layer_of_inspection(table: pd.DataFrame, named: pd.Series, judged: pd.Series) -> pd.Series:
    """The layer that each wafer should name: the inspection's own for a few stray wafers that are missing there, else its own."""
    inspection = pd.MultiIndex.from_frame(table[["lot", "inspection"]])
    key = pd.Series(pd.factorize(inspection)[0], index=table.index)
    common = _commonest(table["layer"], key)
    rows = key.map(key.value_counts())
    under = table.groupby([key, "layer"])["lot"].transform("size")
    there = set(zip(key[table["layer"] == common], named[table["layer"] == common], strict=True))
    missing = pd.Series([pair not in there for pair in zip(key, named, strict=True)], index=table.index, dtype=bool)
    stray = judged & (table["layer"] != common) & (under <= STRAY * rows) & missing
    return table["layer"].where(~stray, common)


def lot_table(
    wafers: pd.DataFrame,
    history: Mapping[tuple[str, str], Sequence[PastLot]],
    refused: Mapping[tuple[str, str], Sequence[int]],
    params: Validate,
) -> pd.DataFrame:
    """One row per lot and layer, with the limits that the history of its product and layer sets.

    Parameters
    ----------
    wafers : DataFrame
        From :func:`wafer_table`, the lots and layers to be checked.
    history : mapping of (lot, layer) to earlier lots
        Of the same product, layer and kind of map, oldest first.
    refused : mapping of (lot, layer) to slots
        Whose wafers are in quarantine: refused, but not missing.
    params : Validate

    Returns
    -------
    DataFrame
        ``lot layer product wafers inspections slots_missing background background_low background_high odds_of_no_defect
        history cold_start lots_missing missing``; ``background`` is the lower quartile of the wafers' counts, null where no
        wafer has a defect. With fewer than ``history_lots`` earlier lots ``cold_start`` is true, ``lots_missing`` says how
        many are lacking, and every limit is null: physics alone has judged.
    """
    rows = []
    for key, lot in wafers.groupby(LOT, sort=True):
        earlier = history.get((str(key[0]), str(key[1])), ())[-LONGEST:] if key[0] else ()
        rows.append({**_plain(key, lot), **_compared(lot, earlier, refused.get((str(key[0]), str(key[1])), ()), params)})
    table = pd.DataFrame(rows)
    quantiles = np.array(table.pop("quantiles").to_list(), np.float64).reshape(-1, 3).T
    low, high = count_limits(np.nan_to_num(quantiles), table.pop("samples").to_numpy(np.float64), params.odds)
    known = ~table["cold_start"]
    table["background_low"], table["background_high"] = pd.Series(low).where(known), pd.Series(high).where(known)
    return table


def _plain(key: tuple[Hashable, ...], lot: pd.DataFrame) -> dict[str, Any]:
    product = lot["product_of_lot"].dropna()
    return {
        "lot": key[0],
        "layer": key[1],
        "product": product.iloc[0] if len(product) else None,
        "wafers": lot["wafer"].nunique() if key[0] else None,  # nothing bounds a block without a lot name
        "inspections": int(lot["inspection"].nunique()),
    }


def _compared(lot: pd.DataFrame, earlier: Sequence[PastLot], refused: Sequence[int], params: Validate) -> dict[str, Any]:
    """What depends on history; null throughout in a cold start."""
    lacking = max(params.history_lots - len(earlier), 0)
    row: dict[str, Any] = {
        "history": len(earlier), "cold_start": lacking > 0, "lots_missing": lacking, "missing": [], "slots_missing": None,
        "background": None, "odds_of_no_defect": None, "quantiles": [np.nan] * 3, "samples": 1,
    }  # fmt: skip
    if lacking:
        return row
    counts = lot["defects"].to_numpy(np.float64)
    past = np.concatenate([one.quartiles(len(counts)) for one in earlier])
    row |= {"quantiles": np.quantile(past, QUANTILES), "samples": len(earlier)}
    if counts.any():
        row["background"] = quartile(counts)
    else:
        row["odds_of_no_defect"] = odds_of_no_defect(earlier, len(counts))
    slots = lot["slot"].dropna().astype(int)
    if len(slots):
        row["missing"] = _missing({*slots, *refused}, [one.slots for one in earlier])
        row["slots_missing"] = len(row["missing"])
    return row


def _missing(slots: set[int], earlier: Sequence[frozenset[int]]) -> list[int]:
    """Slots below the last one of the lot that earlier lots usually had inspected: holes, not the end of a short lot.

    Whether a fab inspects every slot or samples a few is its own affair: what is usual comes from the earlier lots that reach
    as far.
    """
    found = []
    for slot in range(1, max(slots)):
        reach = [one for one in earlier if one and max(one) >= slot]
        if slot not in slots and len(reach) * 2 >= len(earlier) and sum(slot in one for one in reach) >= USUAL * len(reach):
            found.append(slot)
    return found
