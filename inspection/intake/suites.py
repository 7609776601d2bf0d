"""What a lot and a day must look like: three suites of expectations, each expectation with the name of the fault it finds.

Only names and numbers: the engine is asked for the expectations when a suite is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.params import Ingest

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.params import Validate

DIAMETERS_MM = (25.4, 50.0, 50.8, 51.0, 75.0, 76.0, 76.2, 100.0, 125.0, 130.0, 150.0, 200.0, 300.0, 450.0)
"""Diameters that wafers are made in."""

WAFERS, LOTS, DAYS = "wafers", "lots", "days"
INDEX = {WAFERS: ["lot", "layer", "wafer"], LOTS: ["lot", "layer"], DAYS: ["day", "tool"]}
"""What names a row of each suite's table."""

FAULTS = {
    "wafer_unnamed": ("a wafer has no name", "wafers have no name"),
    "wafer_twice": ("a wafer is there twice for one inspection", "wafers are there twice for one inspection"),
    "slot_twice": ("a wafer shares its slot", "wafers share a slot"),
    "slot_impossible": ("a wafer names a slot that no lot has", "wafers name slots that no lot has"),
    "defects_impossible": ("a wafer has an impossible number of defects", "wafers have an impossible number of defects"),
    "diameter_unknown": ("a wafer has a diameter that none is made in", "wafers have a diameter that none is made in"),
    "kind_unknown": ("a map has neither points nor dies", "maps have neither points nor dies"),
    "diameter_mixed": ("a wafer has another diameter than its lot", "wafers have another diameter than their lot"),
    "product_mixed": ("a wafer is of another product than its lot", "wafers are of another product than their lot"),
    "layer_wrong": ("a wafer is at another layer than its lot", "wafers are at another layer than their lot"),
    "checksum_wrong": ("a file declares other counts than it holds", "wafers whose files declare other counts than they hold"),
    "lot_too_large": ("more wafers than a lot has", ""),
    "slots_missing": ("slots are missing that earlier lots had inspected", ""),
    "density_high": ("more defects than the history allows", ""),
    "density_low": ("fewer defects than the history allows", ""),
    "defects_none": ("no wafer has a defect, which the history does not know", ""),
    "tool_silent": ("a tool is silent for longer than usual", "tools are silent for longer than usual"),
    "files_few": ("fewer files than usual", ""),
    "files_many": ("more files than usual", ""),
    "wafers_few": ("fewer wafers than usual", ""),
    "wafers_many": ("more wafers than usual", ""),
}
"""Each fault in words: once, and where wafers or tools are counted, of many."""

_EITHER = {"ignore_row_if": "either_value_is_missing"}


def expectations(suite: str, params: Validate) -> list[Any]:
    """The expectations of ``suite``. A null is never unexpected: where there is nothing to compare with, the column is null."""
    import great_expectations.expectations as gxe  # noqa: PLC0415 - five seconds: only where lots are checked

    return {WAFERS: _of_wafers, LOTS: _of_lots, DAYS: _of_days}[suite](gxe, params)


def _of_wafers(gxe: Any, params: Validate) -> list[Any]:
    return [
        gxe.ExpectColumnValuesToNotBeNull(column="wafer", **_fault("wafer_unnamed", "Every wafer has a name")),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["lot", "layer", "wafer", "inspected_at"],
            **_fault("wafer_twice", "A wafer is there once per layer and time of inspection"),
        ),
        _at_most(gxe, "wafers_in_slot", 1, "slot_twice", "A slot holds one wafer per layer and inspection"),
        gxe.ExpectColumnValuesToBeBetween(
            column="slot",
            min_value=1,
            max_value=params.slots_per_lot,
            **_fault("slot_impossible", f"A slot is a number from 1 to {params.slots_per_lot}"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="defects",
            min_value=0,
            max_value=Ingest().max_defects,
            **_fault("defects_impossible", "The number of defects is possible"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="diameter_mm", value_set=[*DIAMETERS_MM], **_fault("diameter_unknown", "Wafers are made in this diameter")
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="kind", value_set=["points", "dies", "image"], **_fault("kind_unknown", "A map has points or dies, or is an image")
        ),
        _equal(gxe, "diameter_mm", "diameter_of_lot", "diameter_mixed", "All wafers of a lot have one diameter"),
        _equal(gxe, "product", "product_of_lot", "product_mixed", "All wafers of a lot are of one product"),
        _equal(gxe, "layer", "layer_of_inspection", "layer_wrong", "In one inspection the lot is at one layer"),
        _at_most(gxe, "summary_faults", 0, "checksum_wrong", "Counts and densities that the file declares agree with its defects"),
    ]


def _of_lots(gxe: Any, params: Validate) -> list[Any]:
    return [
        _at_most(gxe, "wafers", params.slots_per_lot, "lot_too_large", f"A lot has at most {params.slots_per_lot} wafers"),
        _at_most(gxe, "slots_missing", 0, "slots_missing", "No slot is left out that earlier lots of the product had inspected"),
        _not_above(gxe, "background", "background_high", "density_high", "The wafers' defects are no more than the history allows"),
        _not_above(gxe, "background_low", "background", "density_low", "The wafers' defects are no fewer than the history allows"),
        gxe.ExpectColumnValuesToBeBetween(
            column="odds_of_no_defect",
            min_value=params.odds,
            **_fault("defects_none", "Not all wafers are without a defect, unless the history knows such lots"),
        ),
    ]


def _of_days(gxe: Any, _params: Validate) -> list[Any]:
    return [
        _not_above(gxe, "silence_h", "silence_high_h", "tool_silent", "No tool is without a file for longer than is usual"),
        _not_above(gxe, "files_low", "files", "files_few", "No fewer files than is usual"),
        _not_above(gxe, "files", "files_high", "files_many", "No more files than is usual"),
        _not_above(gxe, "wafers_low", "wafers", "wafers_few", "No fewer wafers than is usual"),
        _not_above(gxe, "wafers", "wafers_high", "wafers_many", "No more wafers than is usual"),
    ]


def _fault(name: str, description: str) -> dict[str, Any]:
    return {"meta": {"fault": name}, "description": f"{description} ({name})"}


def _at_most(gxe: Any, column: str, most: int, fault: str, description: str) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=column, max_value=most, **_fault(fault, description))


def _equal(gxe: Any, column: str, other: str, fault: str, description: str) -> Any:
    return gxe.ExpectColumnPairValuesToBeEqual(column_A=column, column_B=other, **_EITHER, **_fault(fault, description))


def _not_above(gxe: Any, low: str, high: str, fault: str, description: str) -> Any:
    pair: Callable[..., Any] = gxe.ExpectColumnPairValuesAToBeGreaterThanB
    return pair(column_A=high, column_B=low, or_equal=True, **_EITHER, **_fault(fault, description))
