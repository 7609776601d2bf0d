"""Mutations of a file's bytes for the fuzz run: blind ones, those of text, and those of what lies inside a container."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import clean_files as clean
from packed_faults import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator

    Mutation = Callable[[Generator, bytes, bytes], bytes]
    """Generator, content, and another clean file of the same format."""

MOST_BYTES = 1 << 18
"""Nothing is made larger than this: small junk has to be refused fast."""
ODD = tuple(
    b"0 -1 1 2147483647 2147483648 4294967295 9223372036854775807 18446744073709551616 99999999999999999999 1e999 -1e308 1e-320 nan NA "
    b"-inf 0x1p3 1_0 0.5 ../../etc/passwd null true [] {} \" ' ; , : { } [ ] < > & % * | \\ \xff\xfe \x00 \xc3\xa9".split(b" ")
)
NUMBER = re.compile(rb"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TOKEN = re.compile(rb"[\w.+-]+|[^\w\s]|\s+")
OPENERS = (b"(", b"[", b"{", b"<a>", b'"', b"Record x {", b"- ", b"\x80\x02(", b"a: ")


def place(rng: Generator, content: bytes) -> int:
    """Any place, the first hundred bytes as often as all others: headers decide most."""
    return int(rng.integers(min(len(content), 100) if rng.random() < 0.5 else len(content)) if content else 0)


def block(rng: Generator, content: bytes) -> tuple[int, int]:
    """Begin and end of a part, more often a short one."""
    begin = place(rng, content)
    return begin, min(len(content), begin + int(2 ** rng.uniform(0, 12)))


def flip(rng: Generator, content: bytes, _other: bytes) -> bytes:
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if made:
            made[place(rng, content)] = int(rng.integers(256))
    return bytes(made)


def bit(rng: Generator, content: bytes, _other: bytes) -> bytes:
    made = bytearray(content)
    if made:
        made[place(rng, content)] ^= 1 << int(rng.integers(8))
    return bytes(made)


def noise(rng: Generator, content: bytes, _other: bytes) -> bytes:
    begin, end = block(rng, content)
    return content[:begin] + rng.bytes(end - begin) + content[end:]


def drop(rng: Generator, content: bytes, _other: bytes) -> bytes:
    begin, end = block(rng, content)
    return content[:begin] + content[end:]


def repeat(rng: Generator, content: bytes, _other: bytes) -> bytes:
    begin, end = block(rng, content)
    times = min(int(2 ** rng.uniform(0, 14)), max(1, (MOST_BYTES - len(content)) // max(1, end - begin)))
    return content[:end] + content[begin:end] * times + content[end:]


def move(rng: Generator, content: bytes, _other: bytes) -> bytes:
    begin, end = block(rng, content)
    rest = content[:begin] + content[end:]
    at = place(rng, rest)
    return rest[:at] + content[begin:end] + rest[at:]


def splice(rng: Generator, content: bytes, other: bytes) -> bytes:
    begin, end = block(rng, content)
    at = place(rng, other)
    return content[:begin] + other[at : at + int(2 ** rng.uniform(0, 12))] + content[end:]


def cut(rng: Generator, content: bytes, _other: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def integer(rng: Generator, content: bytes, _other: bytes) -> bytes:
    """A binary number becomes an extreme one."""
    at, size = place(rng, content), int(rng.choice([1, 2, 4, 8]))
    value = int(rng.choice([0, 1, 2**7, 2**15, 2**31, 2**63], replace=True)) - int(rng.integers(2))
    raw = (value % 2 ** (8 * size)).to_bytes(size, "little" if rng.random() < 0.5 else "big")
    return content[:at] + raw + content[at + size :]


def number(rng: Generator, content: bytes, _other: bytes) -> bytes:
    """A number in a text becomes an odd one."""
    found = list(NUMBER.finditer(content[:MOST_BYTES]))
    if not found:
        return flip(rng, content, b"")
    chosen = found[rng.integers(len(found))]
    new = ODD[rng.integers(len(ODD))] if rng.random() < 0.7 else str(rng.integers(2**62)).encode() * int(rng.integers(1, 4))
    return content[: chosen.start()] + new + content[chosen.end() :]


def tokens(rng: Generator, content: bytes, _other: bytes) -> bytes:
    """Words of a text dropped, doubled, exchanged or replaced."""
    words = TOKEN.findall(content[:MOST_BYTES])
    if len(words) < 2:
        return flip(rng, content, b"")
    for _ in range(int(rng.integers(1, 4))):
        at, other = rng.integers(len(words), size=2).tolist()
        match int(rng.integers(4)):
            case 0:
                words[at] = ODD[rng.integers(len(ODD))]
            case 1:
                words[at], words[other] = words[other], words[at]
            case 2:
                del words[at : at + int(rng.integers(1, 20))]
            case _:
                words[at:at] = words[other : other + int(rng.integers(1, 40))]
        if len(words) < 2:
            break
    return b"".join(words)


def nest(rng: Generator, content: bytes, _other: bytes) -> bytes:
    """Something opened over and over."""
    at, opener = place(rng, content), OPENERS[rng.integers(len(OPENERS))]
    return content[:at] + opener * int(2 ** rng.uniform(2, 15)) + content[at:]


BLIND: tuple[Mutation, ...] = (flip, flip, bit, noise, drop, repeat, move, splice, cut, integer, integer, nest)
OF_TEXT: tuple[Mutation, ...] = (number, number, tokens, tokens)


def mutated(rng: Generator, content: bytes, other: bytes) -> bytes:
    """One to three mutations, those of text where it is one."""
    is_text = b"\0" not in content[:200]
    for _ in range(int(rng.integers(1, 4))):
        several = OF_TEXT if is_text and rng.random() < 0.5 else BLIND
        content = several[rng.integers(len(several))](rng, content, other)[: 2 * MOST_BYTES]
    return content


# --- what lies inside a container, so that its checksums hold


def in_zip(rng: Generator, content: bytes, other: bytes) -> bytes:
    """One entry of a zip file, or its name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = list(members)[rng.integers(len(members))]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in members.items():
            if name == chosen and rng.random() < 0.1:
                archive.writestr(mutated(rng, name.encode(), b"").decode("latin-1").partition("\0")[0][:9_999] or "x", held)
            else:
                archive.writestr(name, mutated(rng, held, other) if name == chosen else held)
    return out.getvalue()


def in_png(rng: Generator, content: bytes, other: bytes) -> bytes:
    """One chunk of a PNG file, or the pixels that are packed in it, with its checksum."""
    at, chunks = 8, []
    while at + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += size + 12
    chosen = int(rng.integers(len(chunks)))
    kind, held = chunks[chosen]
    if kind == b"IDAT" and rng.random() < 0.5:
        chunks[chosen] = kind, zlib.compress(mutated(rng, zlib.decompress(held), other))
    else:
        chunks[chosen] = kind, mutated(rng, held, other)
    return content[:8] + b"".join(struct.pack(">I", len(h)) + k + h + struct.pack(">I", zlib.crc32(k + h)) for k, h in chunks)


def in_packed(rng: Generator, content: bytes, other: bytes) -> bytes:
    """What is inside a gzip or zstd file."""
    pack = gzip.compress if content[:2] == b"\x1f\x8b" else clean.zst
    return pack(mutated(rng, unpacked(content), other))


def _inner(content: bytes) -> Mutation | None:
    kinds = {b"PK\3\4": in_zip, b"\x89PNG": in_png, b"\x1f\x8b\x08": in_packed, b"\x28\xb5\x2f\xfd": in_packed}
    return next((mutation for magic, mutation in kinds.items() if content.startswith(magic)), None)


def mutate(rng: Generator, path: Path, other: Path) -> None:
    """Mutate a file (or its sidecar), or one file of a folder, in place; ``other`` is another clean one."""
    if path.is_dir():
        members = sorted(p for p in path.rglob("*") if p.is_file())
        chosen = members[rng.integers(len(members))]
        if rng.random() < 0.5:  # metadata decide more than chunks
            chosen = next((p for p in members if p.name in {"zarr.json", ".zarray"}), chosen)
        donor = chosen.read_bytes()
    else:
        sidecars = [p for p in path.parent.iterdir() if p.suffix == ".yaml"]
        chosen = sidecars[0] if sidecars and rng.random() < 0.25 else path
        donor = other.read_bytes()
    content = chosen.read_bytes()
    inner = _inner(content)
    change = inner if inner is not None and chosen == path and rng.random() < 0.7 else mutated
    chosen.write_bytes(change(rng, content, donor))
