"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="All that a run writes is below it.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]
SnapshotOption = Annotated[bool, typer.Option("--from-snapshot", help="Work on the frozen snapshot (this is how DVC calls it).")]
HERE = Path("workspace")
