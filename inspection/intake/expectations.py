"""What a lot must look like: one Great Expectations suite over a table of per-wafer facts, with Data Docs.

The only importer of Great Expectations; importing this module is cheap, using it takes the engine's five seconds once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from inspection.errors import EngineError
from inspection.intake.docs import make_offline, write_index
from inspection.intake.search import safe_name
from inspection.params import Ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inspection.params import Validate

    LotKey = tuple[str, str]

DIAMETERS_MM = (25.4, 50.0, 50.8, 51.0, 75.0, 76.0, 76.2, 100.0, 125.0, 130.0, 150.0, 200.0, 300.0, 450.0)
"""Diameters that wafers are made in."""

SEPARATE_LOTS = 60
"""So many lots of one call get a validation and a page of their own; the rest share one."""

SUITE = "lot"
_SITE = "uncommitted/data_docs/local_site"


@dataclass(frozen=True)
class LotCheck:
    """The result of one lot and layer; ``failed`` counts the unexpected rows of each expectation that failed."""

    lot: str
    layer: str
    success: bool
    failed: dict[str, int]
    wafers: int


def site(folder: Path) -> Path:
    """The page to open: the index of the Data Docs below ``folder``."""
    return folder / "gx" / _SITE / "index.html"


def validate_lots(
    facts: pd.DataFrame,
    folder: Path,
    params: Validate,
    progress: Callable[[int, int], None] | None = None,
) -> list[LotCheck]:
    """Run the suite on each lot and layer, and build the Data Docs of these runs.

    The suite: every wafer has a name, is there once per layer and time of inspection, sits in a slot from 1 to
    ``slots_per_lot`` (where the source says which), has 0 to 20 million defects and a diameter that wafers are made in;
    a lot has 1 to ``slots_per_lot`` wafers. Wafers of sources without lot names are one block, of any size.

    Parameters
    ----------
    facts : DataFrame
        One row per wafer: ``lot layer wafer slot kind defects diameter_mm label inspected_at source index``.
    folder : Path
        Holds the Great Expectations project; rebuilt from this code each time, only results and pages stay.
    params : Validate
    progress : callable (done, total), optional
        Lots.

    Returns
    -------
    list of LotCheck
        One per lot and layer, sorted.

    Raises
    ------
    EngineError
        An expectation could not be computed.
    """
    if facts.empty:
        return []
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: must be set before
    table = prepare(facts)
    keys = sorted(set(zip(table["lot"], table["layer"], strict=True)))
    project = _Project(folder, params)
    checks: list[LotCheck] = []
    for run_keys in _runs(keys):
        wanted = pd.MultiIndex.from_arrays([table["lot"], table["layer"]]).isin(run_keys)
        part = table[wanted].reset_index(drop=True)
        checks += _checks_of(run_keys, part, project.run(_run_name(run_keys), part))
        if progress is not None:
            progress(len(checks), len(keys))
    project.build_docs()
    return checks


def prepare(facts: pd.DataFrame) -> pd.DataFrame:
    """The table that the suite sees: facts with plain types, and ``wafers_in_lot``.

    A wafer without a lot gets its place as its name, and no ``wafers_in_lot``: nothing bounds a block without a lot
    name.
    """
    table = facts.copy()
    nameless = table["lot"] == ""
    place = table["source"] + " #" + table["index"].astype(str)
    table["wafer"] = table["wafer"].where(table["wafer"] != "", None).where(~nameless, place)
    table["slot"] = pd.to_numeric(table["slot"])
    table["inspected_at"] = table["inspected_at"].map(lambda time: "" if pd.isna(time) else str(time))
    distinct = table.groupby(["lot", "layer"])["wafer"].transform("nunique").astype("float64")
    table["wafers_in_lot"] = distinct.where(~nameless)
    return table


def _runs(keys: Sequence[LotKey]) -> Iterator[list[LotKey]]:
    for key in keys[:SEPARATE_LOTS]:
        yield [key]
    if len(keys) > SEPARATE_LOTS:
        yield [*keys[SEPARATE_LOTS:]]


def _run_name(keys: Sequence[LotKey]) -> str:
    # The name becomes a folder: safe characters for people, a hash so that two lots never share it.
    digest = hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:8]
    if len(keys) > 1:
        return f"{len(keys)}-further-lots-{digest}"
    lot, layer = keys[0]
    return f"{safe_name(lot)[:60] if lot else 'without-lot'}-{safe_name(layer)[:40] if layer else 'no-layer'}-{digest}"


def _checks_of(keys: Sequence[LotKey], part: pd.DataFrame, results: Sequence[Any]) -> list[LotCheck]:
    sizes = Counter(zip(part["lot"], part["layer"], strict=True))
    failed: dict[LotKey, dict[str, int]] = {key: {} for key in keys}
    for result in results:
        if result.success:
            continue
        name = _expectation_name(result.expectation_config)
        rows = result.result.get("unexpected_index_list")
        if rows is None:
            raise EngineError(
                f"Cannot check {name}: expected the rows that fail, got {str(result.exception_info)[:300]}. "
                "Remove the `expectations` folder of the workspace and validate again."
            )
        for key, count in Counter((row["lot"], row["layer"]) for row in rows).items():
            failed[key][name] = count
    return [LotCheck(lot, layer, not failed[lot, layer], failed[lot, layer], sizes[lot, layer]) for lot, layer in keys]


def _expectation_name(config: Any) -> str:
    columns = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", ()))
    return f"{config.type}({columns})"


class _Project:
    """A Great Expectations project on disk: the suite, one data frame asset, results and pages of the latest runs."""

    def __init__(self, folder: Path, params: Validate) -> None:
        import great_expectations as gx  # noqa: PLC0415 - five seconds: only where lots are checked

        self._gx, self._home = gx, folder / "gx"
        self._names: set[str] = set()
        _start_anew(self._home)
        folder.mkdir(parents=True, exist_ok=True)
        self._context = gx.get_context(mode="file", project_root_dir=str(folder))
        self._context.variables.progress_bars = {"globally": False}
        source = self._context.data_sources.add_pandas("facts")
        batch = source.add_dataframe_asset("wafers").add_batch_definition_whole_dataframe(SUITE)
        suite = self._context.suites.add(gx.ExpectationSuite(SUITE, expectations=_expectations(params)))
        self._definition = self._context.validation_definitions.add(gx.ValidationDefinition(name=SUITE, data=batch, suite=suite))

    def run(self, name: str, table: pd.DataFrame) -> Sequence[Any]:
        """Validate ``table``; an earlier run of this name goes, so that the folder does not grow for ever."""
        for old in (
            self._home / "uncommitted/validations" / SUITE / name,
            self._home / _SITE / "validations" / SUITE / name,
        ):
            shutil.rmtree(old, ignore_errors=True)
        self._names.add(name)
        result = self._definition.run(
            batch_parameters={"dataframe": table},
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["lot", "layer", "wafer"]},
            run_id=self._gx.RunIdentifier(run_name=name),
        )
        return result.results

    def build_docs(self) -> None:
        """Write the pages of these runs and the index of all, then take everything out that would call the network."""
        keys = self._context.validation_results_store.list_keys()
        suites = self._context.expectations_store.list_keys()
        # Only what is new: with hundreds of lots on disk a full build would take as long as all checks before it.
        self._context.build_data_docs(resource_identifiers=[*suites, *(key for key in keys if key.run_id.run_name in self._names)])
        make_offline(self._home / _SITE)
        write_index(self._home / _SITE)


def _start_anew(home: Path) -> None:
    # Definitions come from this code, not from the disk: a half-written one of a killed run must not stop the next run.
    for name in ("great_expectations.yml", "uncommitted/config_variables.yml"):
        (home / name).unlink(missing_ok=True)
    for name in ("expectations", "validation_definitions", "checkpoints"):
        shutil.rmtree(home / name, ignore_errors=True)
    for result in (home / "uncommitted/validations").rglob("*.json"):
        if not result.read_bytes().rstrip().endswith(b"}"):
            result.unlink()


def _expectations(params: Validate) -> list[Any]:
    import great_expectations.expectations as gxe  # noqa: PLC0415 - see above

    return [
        gxe.ExpectColumnValuesToNotBeNull(column="wafer"),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["lot", "layer", "wafer", "inspected_at"]),
        gxe.ExpectColumnValuesToBeBetween(column="slot", min_value=1, max_value=params.slots_per_lot),
        gxe.ExpectColumnValuesToBeBetween(column="wafers_in_lot", min_value=1, max_value=params.slots_per_lot),
        gxe.ExpectColumnValuesToBeBetween(column="defects", min_value=0, max_value=Ingest().max_defects),
        gxe.ExpectColumnValuesToBeInSet(column="diameter_mm", value_set=[*DIAMETERS_MM]),
        gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=["points", "dies"]),
    ]
