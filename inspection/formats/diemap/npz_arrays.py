"""Arrays of a NumPy ``.npz`` archive, read without pickles and never believed: for every format that is one."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.lib import format as npy

from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from inspection.params import Ingest

ZIP = b"PK\x03\x04"
_BLOCK = 1 << 20
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    UnicodeDecodeError,
    SyntaxError,
    OSError,
    TypeError,
    OverflowError,
    RecursionError,
    tokenize.TokenError,
    UserWarning,
)
"""What the zip and npy readers raise on damaged bytes: RuntimeError where a flag says encrypted, OSError on a seek to
nowhere, TokenError and UserWarning (where warnings are errors) on a header that looks like one of Python 2."""

Header = tuple[tuple[int, ...], bool, np.dtype]
"""Shape, whether in Fortran order, and type."""


class Fault(Protocol):
    """Makes a format's own error from a short code, the place, what was expected and what was got."""

    def __call__(self, code: str, where: str, expected: str, got: object) -> FormatError:
        """The error to raise."""


def fault_of(area: str, action: str) -> Fault:
    """The faults of a format: codes begin with ``area``; ``action`` says what to do about any of them."""

    def fault(code: str, where: str, expected: str, got: object) -> FormatError:
        return FormatError(f"{area}.{code}", where=where, expected=expected, got=got, action=action)

    return fault


def names(head: bytes, path: Path) -> frozenset[str]:
    """Names of the arrays of a file that begins with ``head``; empty where it is no archive. Cheap and never raises."""
    if not head.startswith(ZIP):
        return frozenset()
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    except _BROKEN:
        return frozenset()


def headers(head: bytes, path: Path, wanted: Collection[str]) -> dict[str, Header]:
    """Headers of those ``wanted`` arrays that a file which begins with ``head`` holds; empty where it is no such archive.

    Cheap and never raises: for recognising a format. An array whose header cannot be read is left out.
    """
    if not head.startswith(ZIP):
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {n: h for n, m in _members(archive).items() if n in wanted and (h := _peek(archive, m)) is not None}
    except _BROKEN:
        return {}


def load(
    path: Path,
    required: Collection[str],
    optional: Collection[str],
    limits: Ingest,
    fault: Fault,
    *,
    skip_objects: Collection[str] = (),
) -> dict[str, NDArray]:
    """The ``required`` arrays of an archive, and those of the ``optional`` ones that it holds, each read once and read-only.

    Parameters
    ----------
    path : Path
    required, optional : collection of str
    limits : Ingest
        ``max_file_mb`` bounds the unpacked size, before any of it is unpacked.
    fault : callable
        Makes the error; its codes are ``damaged``, ``size`` and ``arrays``.
    skip_objects : collection of str
        Arrays to leave out where they hold Python objects, which would need a pickle; any other such array is refused.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = {n: m for n, m in _members(archive).items() if n in {*required, *optional}}
            if missing := [n for n in required if n not in members]:
                raise fault("arrays", path.name, ", ".join(required), f"no {', '.join(missing)}")
            for name in skip_objects:
                header = _peek(archive, members[name]) if name in members else None
                if header is not None and header[2].hasobject:
                    del members[name]
            unpacked = sum(m.file_size for m in members.values())
            if max(unpacked, size) > limits.max_file_bytes:
                raise fault("size", path.name, f"at most {limits.max_file_mb} MiB unpacked", f"{max(unpacked, size) / 2**20:.1f} MiB")
            return {name: _array(archive, member, fault) for name, member in members.items()}
    except FormatError:
        raise
    except _BROKEN as error:
        raise fault("damaged", path.name, "a complete .npz archive", f"{type(error).__name__}: {error}") from error


def check_count(count: int, where: str, limits: Ingest, fault: Fault) -> None:
    """Hold the number of maps against ``limits.max_wafers``; the code is ``wafers``."""
    if count > limits.max_wafers:
        raise fault("wafers", where, f"at most {limits.max_wafers} maps", count)


def per_map(arrays: dict[str, NDArray], name: str, count: int, kinds: str, fault: Fault) -> NDArray | None:
    """An optional array of one entry per map, of one of the ``kinds`` of NumPy; the code is ``arrays``."""
    values = arrays.get(name)
    if values is not None and (values.shape != (count,) or values.dtype.kind not in kinds):
        raise fault("arrays", name, f"one entry per map ({count}) of kind {' or '.join(kinds)}", f"{values.shape} {values.dtype}")
    return values


def places(arrays: dict[str, NDArray], count: int, fault: Fault) -> list[int]:
    """Place of each map in the ordered source, -1 where the archive has none."""
    values = per_map(arrays, "row", count, "iu", fault)
    return [-1] * count if values is None else values.tolist()


def texts(values: NDArray) -> list[str]:
    """The entries of an array as text."""
    return [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values.ravel().tolist()]


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {i.filename.removesuffix(".npy"): i for i in archive.infolist()}


def _header(file: IO[bytes]) -> Header | None:
    """The header of a ``.npy`` stream; None where its version is unknown."""
    version = npy.read_magic(file)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    return None if read is None else read(file)


def _peek(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header | None:
    try:
        with archive.open(member) as file:
            return _header(file)
    except _BROKEN:
        return None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, fault: Fault) -> NDArray:
    """One array, its header held against the member's size before any memory is taken for it."""
    with archive.open(member) as file:
        header = _header(file)
        if header is None:
            raise fault("damaged", member.filename, "npy version 1.0 or 2.0", "another")
        shape, fortran, dtype = header
        if dtype.hasobject or dtype.kind not in "biufUS":
            raise fault("arrays", member.filename, "numbers or text without pickles", dtype)
        expected = dtype.itemsize
        for length in shape:
            expected *= int(length)
        if expected != member.file_size - file.tell() or expected < 0:
            raise fault("damaged", member.filename, f"{expected} bytes of data", member.file_size - file.tell())
        content = bytearray()
        while block := file.read(_BLOCK):
            content += block
    if len(content) != expected:
        raise fault("damaged", member.filename, f"{expected} bytes of data", len(content))
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array
