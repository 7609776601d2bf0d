"""Lot checks: which lots are new, their facts, and the result of their expectations in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.store.database import utc_now
from inspection.store.wafers import changed_lots, facts, put_lot_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.intake.expectations import LotCheck
    from inspection.params import Validate
    from inspection.settings import Workspace
    from inspection.store.database import Store


def validate(
    workspace: Workspace,
    store: Store,
    params: Validate,
    progress: Callable[[int, int], None] | None = None,
) -> list[LotCheck]:
    """Check every lot that has wafers newer than its last check, and record the results; a failing lot stops nothing.

    Without new wafers nothing happens, and the engine of the expectations is not even loaded.

    Parameters
    ----------
    progress : callable (done, total), optional
        Lots.

    Returns
    -------
    list of LotCheck
        The lots checked now.

    Raises
    ------
    EngineError
        The expectations could not be computed, or the store refuses.
    """
    checked_at = utc_now()  # before the facts are read: a wafer that arrives meanwhile makes its lot new again
    with store.read() as connection:
        new = changed_lots(connection)
        rows = facts(connection) if new else []
    if not new:
        return []
    import pandas as pd  # noqa: PLC0415 - with the engine five seconds to import: only for new wafers

    from inspection.intake.expectations import validate_lots  # noqa: PLC0415

    table = pd.DataFrame(rows)
    wanted = pd.MultiIndex.from_arrays([table["lot"], table["layer"]]).isin(new)
    checks = validate_lots(table[wanted].reset_index(drop=True), workspace.expectations, params, progress)
    with store.write() as connection:
        for check in checks:
            put_lot_check(
                connection,
                lot=check.lot,
                layer=check.layer,
                success=check.success,
                failed=check.failed,
                wafer_count=check.wafers,
                checked_at=checked_at,
            )
    return checks
