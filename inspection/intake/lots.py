"""Validation of lots and days: what is new in the store, its tables, their expectations, and the results back in the store.

Nothing here is on a wafer's path: a wafer is scored whatever becomes of its lot. A lot that fails is reported, in the store, in
the Data Docs and by ``inspection status``, and is neither dropped nor held back: density far from the history is what an
excursion looks like, and the pipeline is there to see it. Its labelled wafers stay in the training snapshot for the same
reason; who wants one out takes its label away.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inspection.intake.earlier import Seen, earlier_lots, midnight, past_lots
from inspection.intake.history import LONGEST
from inspection.store import validations as results
from inspection.store.database import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.intake.checks import Check
    from inspection.params import Validate
    from inspection.settings import Workspace
    from inspection.store.database import Store

DOCUMENTED = 500
"""Lots and days on the index page, the newest checks first."""


def validate(
    workspace: Workspace,
    store: Store,
    params: Validate,
    progress: Callable[[int, int], None] | None = None,
) -> list[Check]:
    """Check every lot and every day that has wafers newer than its last check, and record the results.

    Without new wafers nothing happens, and the engine of the expectations is not even loaded. Killed anywhere, the next call
    checks the same lots and days again.

    Parameters
    ----------
    progress : callable (done, total), optional
        Steps of the engine.

    Returns
    -------
    list of Check
        The lots and then the days checked now.

    Raises
    ------
    EngineError
        The expectations could not be computed, or the store refuses.
    """
    checked_at = utc_now()  # before the facts are read: a wafer that arrives meanwhile makes its lot and its day new again
    with store.read() as connection:
        new = results.changed_lots(connection)
        if not new:
            return []
        lot_facts = results.facts_of_lots(connection, {lot for lot, _ in new})
        earlier = earlier_lots(results.lots_in_order(connection), new)
        counts = results.counts_of_lots(connection, {lot for lots in earlier.values() for lot, _ in lots})
        seen = Seen.of(results.newest(connection, results.DAY))
        first = seen.first_due(results.new_since(connection, seen.at))
        arrivals = [] if first is None else results.arrivals_since(connection, midnight(first) - timedelta(days=LONGEST + 1))
    # With the engine five seconds to import: only for new wafers.
    import pandas as pd  # noqa: PLC0415

    from inspection.intake import checks, docs_index, suites  # noqa: PLC0415
    from inspection.intake.day_table import day_table  # noqa: PLC0415
    from inspection.intake.expectations import run_suites, site  # noqa: PLC0415
    from inspection.intake.lot_tables import lot_table, wafer_table  # noqa: PLC0415

    valid = [fact for fact in lot_facts if fact["state"] == "valid"]
    wafers = wafer_table(pd.DataFrame(valid), params)
    wafers = wafers[pd.MultiIndex.from_frame(wafers[["lot", "layer"]]).isin(new)].reset_index(drop=True)
    lots = lot_table(wafers, past_lots(earlier, counts), _refused(lot_facts), params)
    days = day_table(pd.DataFrame(arrivals, columns=["tool", "inspected_at", "file_sha256"]), params)
    days = days[days["day"].isin(seen.due(days["day"], arrivals, first))].reset_index(drop=True)

    tables = {suites.WAFERS: wafers, suites.LOTS: lots, suites.DAYS: days}
    unexpected = run_suites(tables, workspace.expectations, params, progress)
    found = [*checks.lot_checks(wafers, lots, unexpected), *checks.day_checks(days, unexpected)]
    with store.write() as connection:
        results.put_validations(connection, [{**asdict(check), "passed": check.passed, "checked_at": checked_at} for check in found])
    with store.read() as connection:
        shown = [results.newest(connection, suite, DOCUMENTED) for suite in (results.LOT, results.DAY)]
    docs_index.write_index(site(workspace.expectations).parent, *shown)
    return found


def _refused(lot_facts: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """Slots of each lot and layer whose wafers are in quarantine."""
    slots: dict[tuple[str, str], list[int]] = defaultdict(list)
    for fact in lot_facts:
        if fact["state"] == "quarantined" and fact["slot"] is not None:
            slots[fact["lot"], fact["layer"]].append(fact["slot"])
    return slots
