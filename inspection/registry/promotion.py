"""Registration and promotion with their audit rows: what makes a bundle the model that workers serve.

The store is the truth (workers read it); the registry's alias follows it and is repaired by running again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import BundleError, GateError, InputError, InputNotFoundError
from inspection.registry import gate
from inspection.registry.tracking import CANDIDATE, CHAMPION, MODEL, ModelVersion, Registry, VersionRecord
from inspection.scoring.bundle import bundle_sha256
from inspection.store import audit, champions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inspection.registry.gate import Profile
    from inspection.store.champions import Champion
    from inspection.store.database import Store


def register(
    registry: Callable[[], Registry],
    store: Store,
    bundle: Path,
    *,
    bundles: Path,
    actor: str,
    reason: str,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    lineage: Mapping[str, str],
    guard: str | None = None,
    guard_override: str = "",
    report: Path | None = None,
    session: str = "",
    history: Sequence[Mapping[str, float]] = (),
) -> ModelVersion:
    """Register a bundle, keep a verified copy of it below ``bundles`` and write the audit row, once.

    ``registry`` makes the registry; it is not called (and MLflow not imported) when the audit log knows the bundle.
    The other parameters are those of ``Registry.register``.

    Raises
    ------
    GateError
        The guard did not pass, and ``guard_override`` gives no reason to register all the same.
    """
    if not bundle.is_dir():
        raise InputNotFoundError(f"Cannot register: expected a bundle's folder at {bundle}. Run `inspection evaluate`.")
    sha256 = bundle_sha256(bundle)
    _keep(bundle, sha256, bundles)
    known = [entry for entry in _registrations(store) if entry.detail["bundle_sha256"] == sha256]
    if known:
        return ModelVersion(known[-1].detail["version"], known[-1].detail["run_id"], sha256, created=False)
    gate.require_guard(guard, guard_override)
    override = "" if guard is None or gate.guard_passed(guard) else guard_override
    version = registry().register(
        bundle, actor=actor, reason=reason, metrics=metrics, params=params, lineage=lineage,
        guard=guard, guard_override=override, report=report, session=session, history=history,
    )  # fmt: skip
    detail = {"version": version.version, "run_id": version.run_id, "bundle_sha256": sha256, "reason": reason}
    detail |= {"guard": str(guard), "guard_override": override} if override else {}
    with store.write() as connection:
        audit.append(connection, actor=actor, action="register", subject=f"{MODEL} {version.version}", detail=detail)
    return version


def promote(
    registry: Registry,
    store: Store,
    version: str,
    *,
    actor: str,
    reason: str,
    profile: Profile,
    margin: float,
    bundles: Path,
) -> Champion:
    """Make ``version`` (or the alias ``candidate``) the champion; the champion again changes nothing.

    Parameters
    ----------
    actor, reason : str
        Who promotes and why; neither may be empty.
    profile : {"local", "production"}
        In production the registering and the promoting person differ, and lineage and guard must be there.
    margin : float
        How far the candidate's macro-F1 may lie below the champion's.
    bundles : Path
        Verified copies of registered bundles: ``bundles/SHA256``.

    Raises
    ------
    GateError
        Refused; the message lists the reasons, and the audit log keeps them.
    InputError, InputNotFoundError
        No reason given, or no such version.
    BundleError
        The registry's copy is not what was registered.
    """
    if not reason.strip() or not actor.strip():
        raise InputError("Promotion needs a person and a reason: got an empty one. Both stay in the audit log.")
    record = registry.describe(version)
    subject = f"{MODEL} {record.version}"
    former = champions.current(store)
    if former is not None and (former.version, former.bundle_sha256) == (record.version, record.bundle_sha256):
        registry.set_alias(CHAMPION, record.version)  # a crash may have come between the row and the alias
        return former

    best = registry.describe(former.version).to_gate() if former is not None else None
    verdict = gate.judge(record.to_gate(), best, margin, profile)
    refused = [] if verdict.passed else list(verdict.reasons)
    if profile == "production" and record.registered_by == actor:
        refused.append(f"{actor} registered it: another person has to promote it")
    if refused:
        with store.write() as connection:
            audit.append(connection, actor=actor, action="refuse", subject=subject, detail={"reasons": refused, "reason": reason})
        raise GateError(f"Version {record.version} was not promoted ({profile} profile): {'; '.join(refused)}.")

    path = _bundle_of(registry, record, bundles)
    detail = {
        "version": record.version,
        "bundle_sha256": record.bundle_sha256,
        "former": former.version if former is not None else None,
        "profile": profile,
        "reason": reason,
        "gate": list(verdict.reasons),
    }
    with store.write() as connection:
        champion = champions.replace(
            connection, version=record.version, bundle_sha256=record.bundle_sha256, bundle_path=path, promoted_by=actor, reason=reason
        )
        entry = audit.append(connection, actor=actor, action="promote", subject=subject, detail=detail)
    registry.set_alias(CHAMPION, record.version)
    registry.set_tag(record.version, "audit_hash", entry.hash)  # a witness outside the table: a cut-off log no longer ends with it
    return champion


def resolve(store: Store, bundles: Path, model: str) -> Path:
    """The bundle of ``champion``, ``candidate`` or a version, without asking the registry.

    Raises
    ------
    InputNotFoundError
        No such model; the message lists the registered versions.
    """
    if model == CHAMPION:
        champion = champions.current(store)
        if champion is None:
            raise InputNotFoundError("There is no champion yet: run `inspection run`, or `inspection promote --reason TEXT`.")
        return Path(champion.bundle_path)
    known = {entry.detail["version"]: entry.detail["bundle_sha256"] for entry in _registrations(store)}
    if model == CANDIDATE and known:
        model = list(known)[-1]
    if model not in known:
        versions = ", ".join(list(known)[-10:]) or "none"
        raise InputNotFoundError(f"No model {model!r}: expected champion, candidate or a registered version ({versions}).")
    return bundles / known[model]


def _registrations(store: Store) -> list[audit.AuditEntry]:
    return [entry for entry in audit.entries(store) if entry.action == "register"]


def _bundle_of(registry: Registry, record: VersionRecord, bundles: Path) -> Path:
    place = bundles / record.bundle_sha256
    if place.is_dir() and bundle_sha256(place) == record.bundle_sha256:
        return place
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=_folder(bundles)) as folder:
        return _keep(registry.fetch(record.version, Path(folder)), record.bundle_sha256, bundles)


def _keep(bundle: Path, sha256: str, bundles: Path) -> Path:
    """A copy of ``bundle`` at ``bundles/SHA256``: written aside, verified, then renamed."""
    place = _folder(bundles) / sha256
    if place.is_dir() and bundle_sha256(place) == sha256:
        return place
    aside = bundles / f"{sha256}.{os.getpid()}.part"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(bundle, aside)
    got = bundle_sha256(aside)
    if got != sha256:
        shutil.rmtree(aside)
        raise BundleError(f"Bundle {bundle} was changed after it was registered: expected sha256 {sha256}, got {got}. Register it again.")
    if place.exists():  # damaged: what serves must be what was registered
        shutil.rmtree(place)
    aside.replace(place)
    return place


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
