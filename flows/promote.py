"""Promotion flow: the gate, the champion's row, the alias."""

from __future__ import annotations

from prefect import flow

from flows.steps import Step, step


@flow(name="promote", log_prints=False, persist_result=False)
def promote_flow(workspace: str, reason: str, version: str | None = None, actor: str | None = None) -> list[Step]:
    """Make ``version`` (default: the candidate) the champion."""
    return [step("promote", workspace, version=version, reason=reason, actor=actor)]
