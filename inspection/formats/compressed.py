"""gzip and zstd around a file of any format: unpacked once, in a stream, to a folder that is gone in every case.

The copy keeps the name without ``.gz`` or ``.zst``, and the sidecars beside the original are laid beside it, so that the
reader of the inside finds what it would have found beside an unpacked file. Several members one after the other are one
file, as for ``gzip -d`` and ``zstd -d``. What is inside may not be compressed again.

How much is unpacked is bounded by ``ingest.max_file_mb`` and by the free disk, never by a ratio: an honest raster that
is 99.9 % empty shrinks a thousandfold, as a bomb does. A bomb costs at most that much disk for a moment, and no memory.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from inspection.aside import alive
from inspection.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from inspection.params import Ingest

GZIP = b"\x1f\x8b\x08"
ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
"""Bytes 2 to 4 of a zstd frame that holds no data; the first is 0x50 to 0x5f."""

SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_HARMLESS = 32 * 2**20
_BLOCK = 2**20
_KEPT_FREE = 64 * 2**20
"""Free disk that is never used up: others write to it too."""
_FOLDER = "inspection-unpacked-"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def recognises(head: bytes) -> bool:
    """Whether ``head`` (the first bytes of a file) begins a gzip or zstd stream."""
    return head.startswith((GZIP, ZSTD)) or (head[1:4] == _SKIPPABLE and head[0] >> 4 == 0x5)


def inner_name(name: str) -> str:
    """The name of what is inside: without the compressor's suffix."""
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and name[: -len(suffix)].strip("."):
            return name[: -len(suffix)]
    return name


def inner_head(path: Path, size: int) -> bytes:
    """The first ``size`` bytes of the inside, or all of it where it is shorter.

    Raises
    ------
    FormatError
        ``compressed.damaged``: the stream is cut or damaged that early.
    """
    with _stream(path) as stream:
        content = b""
        while len(content) < size and (block := stream.read(size - len(content))):
            content += block
        return content


@contextmanager
def unpacked(path: Path, limits: Ingest, *, most_times: int | None = None) -> Iterator[Path]:
    """The inside of ``path`` as a file that is removed at the end of the block.

    ``most_times``: so many times larger it may be than ``path``, beyond ``_HARMLESS`` bytes; None = any times.

    Raises
    ------
    FormatError
        ``compressed.damaged``: cut, damaged, or its checksum is another; ``compressed.size``: more than
        ``limits.max_file_mb`` inside; ``compressed.bomb``: more than ``most_times`` its size.
    OSError
        With ``errno``, ENOSPC where the disk of the temporary folder (TMPDIR) has no room: the machine's fault, not
        the file's.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        inner = Path(folder) / inner_name(path.name)
        with _stream(path) as stream, inner.open("wb") as file:
            _copy(stream, file, folder, path, limits, most_times)
        lay_sidecars(path, inner)
        yield inner


def whole(path: Path) -> AbstractContextManager[Path]:
    """`unpacked` within the shipped limits: for those who only want to recognise what is inside."""
    from inspection.params import Ingest  # noqa: PLC0415 - brings pydantic and YAML

    return unpacked(path, Ingest())


@contextmanager
def beginning(path: Path, head: bytes) -> Iterator[Path]:
    """A file that holds ``head`` only, named and with sidecars as `unpacked` has them: enough to recognise a format."""
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        inner = Path(folder) / inner_name(path.name)
        inner.write_bytes(head)
        lay_sidecars(path, inner)
        yield inner


def sidecar_of(path: Path) -> Path | None:
    """The sidecar of a compressed file: ``NAME.npy.gz.yaml``, ``NAME.npy.yaml`` or ``NAME.yaml`` beside ``NAME.npy.gz``."""
    from inspection.formats.raster.sidecar import SIDECARS, sidecar_path  # noqa: PLC0415 - brings YAML and pydantic

    own = next((c for c in (path.with_name(path.name + end) for end in SIDECARS) if c.is_file()), None)
    return own or sidecar_path(path.with_name(inner_name(path.name)))


def lay_sidecars(path: Path, inner: Path) -> None:
    """Copy the sidecar of the compressed ``path`` beside ``inner``, under the name that belongs to it."""
    from inspection.formats.raster.sidecar import MAX_SIDECAR_BYTES  # noqa: PLC0415 - as above

    beside = sidecar_of(path)
    if beside is not None:
        with beside.open("rb") as file:  # one byte too many, so that its reader still refuses what is too large
            inner.with_name(inner.name + beside.suffix).write_bytes(file.read(MAX_SIDECAR_BYTES + 1))


def _copy(stream: _Readable, file: BinaryIO, folder: str, path: Path, limits: Ingest, most_times: int | None) -> None:
    size, packed = 0, path.stat().st_size
    while block := stream.read(_BLOCK):
        size += len(block)
        if most_times is not None and size > max(_HARMLESS, most_times * packed):
            raise FormatError(
                "compressed.bomb",
                where=path.name,
                expected=f"text that unpacks to at most {most_times} times its {packed} bytes",
                got=f"more than {size} bytes",
                action="If the file is meant to be like that, unpack it and hand it in again.",
            )
        if size > limits.max_file_bytes:
            raise FormatError(
                "compressed.size",
                where=path.name,
                expected=f"at most {limits.max_file_mb} MiB unpacked",
                got=f"more, from {packed} bytes",
                action="Raise ingest.max_file_mb in params.yaml if the file is meant to be that large.",
            )
        if shutil.disk_usage(folder).free < _KEPT_FREE + len(block):
            raise OSError(errno.ENOSPC, "no room to unpack: free disk space or set TMPDIR to a larger disk", str(path))
        file.write(block)


@contextmanager
def _stream(path: Path) -> Iterator[_Readable]:
    """What is inside ``path``, from its beginning; every fault of the stream is one FormatError."""
    with path.open("rb") as file:
        packed = gzip.GzipFile(fileobj=file) if file.read(len(GZIP)) == GZIP else None
        file.seek(0)
        yield _Guarded(packed if packed is not None else _zstd(file), path)


def _zstd(file: BinaryIO) -> _Readable:
    import pyarrow as pa  # noqa: PLC0415 - only who has a zstd file pays for it

    stream: _Readable = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    return stream


class _Guarded:
    """A stream whose faults are FormatErrors; those of the machine, which have an ``errno``, stay what they are."""

    def __init__(self, stream: _Readable, path: Path) -> None:
        self._stream, self._path = stream, path

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            if error.errno is not None:
                raise
            raise self._damaged(error) from error
        except (EOFError, zlib.error, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> FormatError:
        return FormatError(
            "compressed.damaged",
            where=self._path.name,
            expected="a complete gzip or zstd stream",
            got=error,
            action="The file is cut or damaged: transfer it again.",
        )


def _sweep(temporary: Path) -> None:
    """Remove what a killed process of ours left unpacked."""
    for left in temporary.glob(f"{_FOLDER}*"):
        owner = left.name.removeprefix(_FOLDER).partition("-")[0]
        # Not of another user, and not through a link: rmtree refuses one.
        if owner.isdecimal() and not alive(int(owner)) and left.lstat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
