"""A folder of inspection images as a landing place: each picture lands with a sidecar that calls it an image and says what is known of it.

Which pictures are images? Those below an ``images.yaml``; those of a folder whose ``labels.csv`` names files (columns ``file, label``); and
those of a folder of nothing but pictures without sidecars, if they lie in folders named for classes of ``params.yaml``, or if one of those
looked at is dense: as a sparse map of defects it would be refused. A picture with a sidecar of its own is what that says. All else in such
a folder lands as it always does.

The sidecar is part of the content that is claimed, so that an image is read again from the archive alone. The class is not in it: it comes
from the table, or from the name of the folder, and may be changed.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from inspection.errors import FormatError, InputError
from inspection.formats.image.sidecar import folder_sidecar, read_folder_sidecar
from inspection.formats.sidecar import OfWafer
from inspection.intake import file_table
from inspection.intake.labels import LABELS_NAME
from inspection.intake.place import Landed, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from inspection.formats.image.sidecar import ImageSidecar
    from inspection.intake.place import Notice, Place

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
LOOKED_AT = 12
"""Pictures that are looked into, each of another folder as far as there are so many, to tell images from sparse maps."""
_WRITTEN = "written by the landing place: "


class ImageFolder:
    """``place`` with its images marked as such (see :class:`inspection.intake.place.Place`).

    Parameters
    ----------
    place : Place
    root : Path or None
        Its folder on this machine, where ``images.yaml`` is looked for; None = it is elsewhere.
    table : Path or None
        Its ``labels.csv``, if that names files.
    whole : bool
        All its pictures are images, with an ``images.yaml`` above them or not.

    Raises
    ------
    InputError
        An ``images.yaml`` that cannot be used.
    LabelError
        A table that cannot be used.
    """

    def __init__(self, place: Place, root: Path | None, table: Path | None, *, whole: bool) -> None:
        self._place, self._root, self.whole = place, root, whole
        self._rows = {} if table is None else {said[file_table.FILE]: said for _, said in file_table.rows_of(table)}
        self._marked = lru_cache(maxsize=None)(self._read_marked)
        self._marked(PurePosixPath())

    @property
    def name(self) -> str:
        """That of the place."""
        return self._place.name

    @property
    def is_near(self) -> bool:
        """That of the place."""
        return self._place.is_near

    def find(self, notice: Notice) -> Iterator[Landed]:
        """All that could be input."""
        return map(self._as_image, self._place.find(notice))

    def look(self, one: Landed) -> Landed:
        """``one`` as it is now."""
        stored = tuple(part for part in one.parts if not part.at.startswith(_WRITTEN))
        return self._as_image(self._place.look(replace(one, parts=stored)))

    def read(self, part: Part, start: int, length: int) -> bytes:
        """At most ``length`` bytes from ``start`` on."""
        if part.at.startswith(_WRITTEN):
            return self._sidecar(part.at.removeprefix(_WRITTEN))[start : start + length]
        return self._place.read(part, start, length)

    def pieces(self, part: Part) -> Iterator[bytes]:
        """All bytes in order."""
        if part.at.startswith(_WRITTEN):
            return iter([self._sidecar(part.at.removeprefix(_WRITTEN))])
        return self._place.pieces(part)

    def label_table(self, into: Path) -> Path | None:
        """``labels.csv`` of the place; where there is none, one that says which folder each image lies in."""
        given = self._place.label_table(into)
        if given is not None:
            return given
        rows = [(name, label) for name in self._images() if (label := self._folder_class(name))]
        if not rows:
            return None
        made = into / LABELS_NAME
        with made.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([(file_table.FILE, file_table.LABEL), *rows])
        return made

    def _images(self) -> Iterator[str]:
        return (one.name for one in self._place.find(lambda _name, _why: None) if self._is_image(one))

    def _folder_class(self, name: str) -> str:
        folders, mark = PurePosixPath(name).parts[:-1], self._marked(PurePosixPath(name).parent)
        which = (None if mark is None else mark.classes) or "first"
        return "" if which == "none" or not folders else folders[0 if which == "first" else -1]

    def _as_image(self, one: Landed) -> Landed:
        if not self._is_image(one):
            return one
        text = self._sidecar(one.name)
        sidecar = Part(f"{one.parts[0].name}.yaml", _WRITTEN + one.name, len(text))
        look = hashlib.sha256(one.fingerprint.encode() + text).hexdigest()
        return replace(one, parts=(*one.parts, sidecar), size=one.size + len(text), fingerprint=look)

    def _is_image(self, one: Landed) -> bool:
        path = PurePosixPath(one.name)
        if one.is_folder or len(one.parts) > 1 or path.suffix.lower() not in PICTURES:
            return False
        return self.whole or self._marked(path.parent) is not None

    def _sidecar(self, name: str) -> bytes:
        """What is known of the image ``name``: by ``images.yaml`` above it, by its row in the table, and by its own name."""
        path = PurePosixPath(name)
        said: dict[str, Any] = {"kind": "image", "wafer": path.stem}
        if (mark := self._marked(path.parent)) is not None:
            said |= mark.model_dump(mode="json", exclude_none=True, exclude_defaults=True, include={*OfWafer.model_fields, "range"})
        row = self._rows.get(name) or self._rows.get(path.name, {})
        said |= {key: row[column] for column, key in file_table.FACTS.items() if row.get(column)}
        return yaml.safe_dump(said, allow_unicode=True, sort_keys=True).encode()

    def _read_marked(self, folder: PurePosixPath) -> ImageSidecar | None:
        """The nearest ``images.yaml`` in ``folder`` or above it."""
        if self._root is None:
            return None
        path = folder_sidecar(self._root / folder)
        if path is not None:
            try:
                return read_folder_sidecar(path)
            except FormatError as error:
                raise InputError(f"Cannot use {path}: {error}") from error
        return self._marked(folder.parent) if folder.parts else None


def with_images(place: Place, root: Path | None, known: Collection[str], into: Path, is_dense: Callable[[Path], bool]) -> ImageFolder:
    """``place`` with its images marked.

    Parameters
    ----------
    place : Place
    root : Path or None
        Its folder or file on this machine; None = it is elsewhere.
    known : collection of str
        The classes of ``params.yaml``.
    into : Path
        A folder for a copy of a table that lies elsewhere.
    is_dense : callable
        Whether a picture is too dense to be a map of defects; never raises.
    """
    given = place.label_table(into)
    table = given if given is not None and file_table.has_files(given) else None
    if root is not None and not root.is_dir():
        root = root.parent
    whole = table is not None or (root is not None and given is None and _are_images(place, root, known, is_dense))
    return ImageFolder(place, root, table, whole=whole)


def _are_images(place: Place, root: Path, known: Collection[str], is_dense: Callable[[Path], bool]) -> bool:
    """Whether all there is are pictures, in folders that are named for classes, or one of them dense."""
    first_of: dict[PurePosixPath, list[str]] = {}
    for one in place.find(lambda _name, _why: None):
        path = PurePosixPath(one.name)
        if one.is_folder or len(one.parts) > 1 or path.suffix.lower() not in PICTURES:
            return False
        seen = first_of.setdefault(path.parent, [])
        if len(seen) < LOOKED_AT:
            seen.append(one.name)
    if not first_of:
        return False
    if all(folder.parts and folder.parts[0] in known for folder in first_of):
        return True
    rounds = (name for place_in in range(LOOKED_AT) for names in first_of.values() for name in names[place_in : place_in + 1])
    return any(is_dense(root / name) for name in islice(rounds, LOOKED_AT))
