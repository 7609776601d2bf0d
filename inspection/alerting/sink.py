"""What a sink is: the interface that the outbox sends through, and its one error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from inspection.errors import EngineError

if TYPE_CHECKING:
    from inspection.alerting.message import Message


class SinkError(EngineError):
    """A sink did not take an alert. ``final`` = this content will never be taken, so trying again is no use."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(message)


class Sink(Protocol):
    """Somewhere that an alert goes.

    Attributes
    ----------
    name : str
        Stable: outbox rows carry it from one process to the next.
    refresh_s : float or None
        Where the receiver forgets: an alert that is not closed is sent again this often, and once more when it is
        closed.
    """

    name: str
    refresh_s: float | None

    def send(self, message: Message, idempotency_key: str) -> None:
        """Hand over one alert; returning means the receiver has it.

        Raises
        ------
        SinkError
            When it has not, or may not have. Its text holds no secret: it is stored and logged.
        """
