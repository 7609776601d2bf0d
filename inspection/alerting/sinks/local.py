"""Sinks that always work: a line per alert, and a folder per alert."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from inspection.alerting.sink import SinkError
from inspection.aside import write_bytes

if TYPE_CHECKING:
    from inspection.alerting.message import Message
    from inspection.settings import Workspace

log = logging.getLogger(__name__)


class LogSink:
    """One JSON line per alert in ``alerts/alerts.jsonl``, and one line in the program's log.

    After a kill a line may be there twice, or cut off: readers go by ``idempotency_key`` and skip what does not parse.
    """

    name = "log"
    refresh_s: float | None = None

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.alerts / "alerts.jsonl"

    def send(self, message: Message, idempotency_key: str) -> None:
        """Append the line, on the disk before this returns."""
        line = json.dumps(message.to_json(idempotency_key)).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) > 0:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # a line that a kill cut off must not swallow this one
                        line = b"\n" + line
                file.write(line)
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"Cannot append the alert to {self.path}: {error}. Free the disk or correct its rights.") from error
        log.info("ALERT %s: %s", message.title, message.summary)


class FileSink:
    """``alerts/ID/alert.json``, beside the picture ``wafer.png`` that the outbox drew."""

    name = "file"
    refresh_s: float | None = None

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.alerts

    def send(self, message: Message, idempotency_key: str) -> None:
        """Write the file; sent again, it is written again with the same content."""
        path = self.folder / str(message.id) / "alert.json"
        content = json.dumps(message.to_json(idempotency_key), indent=2, ensure_ascii=False)
        try:
            write_bytes(path, content.encode("utf-8", errors="backslashreplace") + b"\n")
        except OSError as error:
            raise SinkError(f"Cannot write the alert to {path}: {error}. Free the disk or correct its rights.") from error
