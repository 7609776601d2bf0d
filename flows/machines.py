"""Work spread over the machines of a Dask cluster: Prefect tasks under Prefect's Dask task runner."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from prefect import flow

from inspection.errors import EngineError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WAVE = 256
"""So many pieces are handed out at a time: it bounds what is held of their answers."""


def over_machines(name: str, address: str, work: Any, *fixed: Any) -> Callable[[Iterable[Any]], Iterator[tuple[Any, Any]]]:
    """A callable that has ``work(*fixed, one)`` done for many at once, as a flow called ``name``.

    Parameters
    ----------
    name : str
        Of the flow, as Prefect shows it.
    address : str
        Of the Dask scheduler; its machines share the workspace.
    work : Prefect task
        A function of a module, which the machines import.

    Returns
    -------
    callable
        (iterable of pieces) -> iterator of (piece, answer); None = the process that had it in hand died, as often as Dask tries.
    """

    def spread(pieces: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        left = iter(pieces)
        while wave := list(islice(left, WAVE)):
            yield from zip(wave, _answers(name, address, work, fixed, wave), strict=True)

    return spread


def _answers(name: str, address: str, work: Any, fixed: tuple[Any, ...], wave: list[Any]) -> list[Any]:
    from distributed.comm import CommClosedError  # noqa: PLC0415 - as below
    from prefect_dask import DaskTaskRunner  # noqa: PLC0415 - an extra, and a second to import

    runner: Any = DaskTaskRunner(address=address)  # its types say another future than Prefect's

    @flow(name=name, task_runner=runner, log_prints=False, persist_result=False)
    def over_machines_flow() -> list[Any]:  # without parameters, which would go to Prefect's server
        return [_outcome(name, future) for future in [work.submit(*fixed, piece) for piece in wave]]

    try:
        return over_machines_flow()
    except OSError as error:  # Dask's words for a cluster that is not there, or (closed) goes away
        kind = EngineError if isinstance(error, CommClosedError) else UnreachableError
        raise kind(
            f"Cannot {name}: expected a Dask scheduler at {address} (INSPECTION_DASK_ADDRESS), got {error}. Start it, or unset the "
            "variable to work on this machine alone; then run the same command again: nothing is half done."
        ) from error


def _outcome(name: str, future: Any) -> Any:
    from distributed import KilledWorker  # noqa: PLC0415 - as above

    try:
        result = future.result(raise_on_failure=False)
    except KilledWorker:
        return None
    if isinstance(result, KilledWorker):
        return None
    if isinstance(result, BaseException):
        raise EngineError(f"Cannot {name}: expected an answer of Dask's machines, got {type(result).__name__}: {result}") from result
    return result
