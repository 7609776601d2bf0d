"""Great Expectations: one project per workspace, one checkpoint per suite, one run of each for all lots of a call, Data Docs.

The only caller of Great Expectations; importing this module is cheap, using it takes the engine's five seconds once. A run is
a validation of one table with a row for every wafer, lot or day and tool: a thousand lots take little longer than one.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from inspection.errors import EngineError
from inspection.intake.docs import make_offline
from inspection.intake.suites import INDEX, expectations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd

    from inspection.params import Validate

KEPT_RUNS = 30
"""Runs of each suite whose results and pages stay on disk; the store keeps every result."""
_SITE = "uncommitted/data_docs/local_site"


class Unexpected(NamedTuple):
    """A row that is not as expected: its suite, the fault, and its values of the columns in ``INDEX``."""

    suite: str
    fault: str
    row: tuple[Any, ...]


def site(folder: Path) -> Path:
    """The page to open: the index of the Data Docs below ``folder``."""
    return folder / "gx" / _SITE / "index.html"


def run_suites(
    tables: Mapping[str, pd.DataFrame],
    folder: Path,
    params: Validate,
    progress: Callable[[int, int], None] | None = None,
) -> list[Unexpected]:
    """Run the checkpoint of each suite on its table, store the results below ``folder``, and build their Data Docs.

    Parameters
    ----------
    tables : mapping of suite to DataFrame
        Suites of :mod:`inspection.intake.suites`; an empty table is passed over.
    folder : Path
        Holds the Great Expectations project; rebuilt from this code each time, only results and pages stay.
    params : Validate
    progress : callable (done, total), optional
        Suites, and the pages as the last step.

    Returns
    -------
    list of Unexpected

    Raises
    ------
    EngineError
        An expectation could not be computed.
    """
    filled = {suite: table for suite, table in tables.items() if len(table)}
    if not filled:
        return []
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: must be set before
    project = _Project(folder, params)
    found: list[Unexpected] = []
    for done, (suite, table) in enumerate(filled.items(), 1):
        found += project.run(suite, table)
        if progress is not None:
            progress(done, len(filled) + 1)
    project.build_docs()
    if progress is not None:
        progress(len(filled) + 1, len(filled) + 1)
    return found


class _Project:
    """A Great Expectations project on disk: suites, one data frame asset and one checkpoint each, results and pages."""

    def __init__(self, folder: Path, params: Validate) -> None:
        import great_expectations as gx  # noqa: PLC0415 - five seconds: only where lots are checked

        self._gx, self._home, self._params = gx, folder / "gx", params
        _start_anew(self._home)
        folder.mkdir(parents=True, exist_ok=True)
        self._context = gx.get_context(mode="file", project_root_dir=str(folder))
        self._context.variables.progress_bars = {"globally": False}
        self._source = self._context.data_sources.add_pandas("facts")
        self._earlier = {key.to_tuple() for key in self._context.validation_results_store.list_keys()}

    def run(self, suite: str, table: pd.DataFrame) -> list[Unexpected]:
        """Run the checkpoint of ``suite`` on ``table``."""
        gx, context = self._gx, self._context
        batch = self._source.add_dataframe_asset(suite).add_batch_definition_whole_dataframe(suite)
        built = context.suites.add(gx.ExpectationSuite(suite, expectations=expectations(suite, self._params)))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=suite, data=batch, suite=built))
        shown = {"result_format": "COMPLETE", "unexpected_index_column_names": INDEX[suite]}
        checkpoint = context.checkpoints.add(gx.Checkpoint(name=suite, validation_definitions=[definition], result_format=shown))
        outcome = checkpoint.run(batch_parameters={"dataframe": table}, run_id=gx.RunIdentifier(run_name=suite))
        return [bad for result in outcome.run_results.values() for one in result.results for bad in _unexpected(suite, one)]

    def build_docs(self) -> None:
        """Write the pages of these runs, drop those of old runs, and take everything out that would call the network."""
        suites = self._context.expectations_store.list_keys()
        new = [key for key in self._context.validation_results_store.list_keys() if key.to_tuple() not in self._earlier]
        # Only what is new: a full build would draw every run on disk again.
        self._context.build_data_docs(resource_identifiers=[*suites, *new])
        for kind in ("uncommitted/validations", f"{_SITE}/validations"):
            for runs in (self._home / kind).glob("*/*"):
                for old in sorted(runs.iterdir())[:-KEPT_RUNS]:
                    shutil.rmtree(old, ignore_errors=True)
        make_offline(self._home / _SITE)


def _unexpected(suite: str, result: Any) -> list[Unexpected]:
    if result.success:
        return []
    fault = result.expectation_config.meta["fault"]
    rows = result.result.get("unexpected_index_list")
    if rows is None:
        raise EngineError(
            f"Cannot check {fault}: expected the rows that fail, got {str(result.exception_info)[:300]}. "
            "Remove the `expectations` folder of the workspace and validate again."
        )
    return [Unexpected(suite, fault, tuple(row[name] for name in INDEX[suite])) for row in rows]


def _start_anew(home: Path) -> None:
    # Definitions come from this code, not from the disk: a half-written one of a killed run must not stop the next run.
    for name in ("great_expectations.yml", "uncommitted/config_variables.yml"):
        (home / name).unlink(missing_ok=True)
    for name in ("expectations", "validation_definitions", "checkpoints"):
        shutil.rmtree(home / name, ignore_errors=True)
    for result in (home / "uncommitted/validations").rglob("*.json"):
        if not result.read_bytes().rstrip().endswith(b"}"):
            result.unlink()
