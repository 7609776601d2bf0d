"""The whole of ``params.yaml``: read, checked across sections, its faults named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from inspection.errors import InputNotFoundError, ParamsError, bounded
from inspection.params.augment import Augment, ClassAugment
from inspection.params.intake import Base, Ingest, Split, Tile, Validate
from inspection.params.learning import Balance, Baselines, Guard, Train
from inspection.params.operation import Alert, Evaluate, Infer, Register
from inspection.params.section import Section
from inspection.params.transfer import Transfer
from inspection.wafer.taxonomy import JOIN, Severity, Symmetry, WaferClass, generated

if TYPE_CHECKING:
    from collections.abc import Iterator


class ClassEntry(Section):
    """One class of the taxonomy."""

    normal: bool = False
    symmetries: tuple[Symmetry, ...] = ()
    severity: Severity = "medium"


class Params(Section):
    """All of ``params.yaml``."""

    base: Base = Base()
    ingest: Ingest = Ingest()
    validate_: Validate = Field(default=Validate(), alias="validate")
    tile: Tile = Tile()
    split: Split = Split()
    balance: Balance = Balance()
    augment: Augment = Augment()
    guard: Guard = Guard()
    train: Train = Train()
    transfer: Transfer = Transfer()
    evaluate: Evaluate = Evaluate()
    baselines: Baselines = Baselines()
    register_: Register = Field(default=Register(), alias="register")
    infer: Infer = Infer()
    alert: Alert = Alert()
    taxonomy: dict[str, ClassEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _policies_keep_the_taxonomy(self) -> Self:
        faults = [f"augment.classes.{name}: {fault}" for name, own in self.augment.classes.items() for fault in self._faults(name, own)]
        if faults:
            raise ValueError(bounded(faults))
        return self

    def _faults(self, name: str, own: ClassAugment) -> Iterator[str]:
        if name not in self.taxonomy:
            yield "no such class in `taxonomy`; add it there, with the symmetries that keep its label"
            return
        entry = self.taxonomy[name]
        broken = set(own.symmetries or ()) - generated(entry.symmetries)
        if broken:
            yield (
                f"breaks the taxonomy: {', '.join(sorted(broken))} does not keep the label {name} "
                f"(taxonomy.{name}.symmetries: {', '.join(entry.symmetries) or 'none'})"
            )
        if entry.normal and own.created:
            yield f"{', '.join(own.created)} acts on a signature, and a normal class has none"
        if "union" in own.created and JOIN not in name:
            yield f"union joins the parts of a combination such as Center{JOIN}Scratch, and {name} has one part"

    @property
    def classes(self) -> dict[str, WaferClass]:
        """The taxonomy's entries as values, in the file's order."""
        return {name: WaferClass(name, entry.normal, frozenset(entry.symmetries), entry.severity) for name, entry in self.taxonomy.items()}


PACKAGED = Path(__file__).parents[1] / "project"
"""``params.yaml`` and ``dvc.yaml`` as shipped."""


def load(path: Path | None = None) -> Params:
    """Read ``path`` (default: the packaged ``params.yaml``).

    Raises
    ------
    InputNotFoundError
        No such file.
    ParamsError
        Not YAML, an unknown key, or a value outside its domain; names each of them.
    """
    path = PACKAGED / "params.yaml" if path is None else path
    if not path.is_file():
        raise InputNotFoundError(f"No parameters: expected a file at {path}. Start a workspace with `inspection run`.")
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Params.model_validate(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"Cannot read {path}: expected YAML in UTF-8, got {error}. Correct the file.") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r:.60})" for e in error.errors()]
        raise ParamsError(f"Cannot use {path}: {bounded(faults)}. Correct these keys.") from error
