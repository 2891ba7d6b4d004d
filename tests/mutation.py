"""Files altered at random: bytes, lengths, and members of zip files under renewed checksums."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO

import numpy as np

Rng = np.random.Generator

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def mutants(content: bytes, rng: Rng, count: int) -> Iterator[bytes]:
    """Altered copies of a file; of a zip file half of them altered within a member."""
    for _ in range(count):
        if zipfile.is_zipfile(BytesIO(content)) and rng.random() < 0.7:
            yield _within_member(content, rng)
        else:
            yield _altered(content, rng)


def _altered(content: bytes, rng: Rng) -> bytes:
    """Some bytes set, a part cut out, doubled, or the end cut off."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(data) + 1))
        length = int(rng.integers(1, 9))
        kind = rng.integers(6)
        if kind == 0:
            data[place : place + length] = rng.bytes(length)
        elif kind == 1:
            data[place : place + 1] = bytes([int(rng.choice(INTERESTING))])
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[max(0, place - length) : place]
        elif kind == 4 and rng.random() < 0.2:
            del data[place:]
        elif place < len(data):
            data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _within_member(content: bytes, rng: Rng) -> bytes:
    """A zip file with a member altered, swapped, left out or doubled; checksums are right."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    one, other = (int(number) for number in rng.integers(len(members), size=2))
    kind = rng.integers(8)
    if kind == 0:
        del members[one]
    elif kind == 1:
        members[one], members[other] = (
            (members[one][0], members[other][1]),
            (members[other][0], members[one][1]),
        )
    elif kind == 2:
        members.append((_text(members[one][0], rng), members[other][1]))
    elif kind == 3:
        # The beginning, where headers are.
        head = members[one][1][:128]
        members[one] = (members[one][0], _altered(head, rng) + members[one][1][128:])
    else:
        members[one] = (members[one][0], _altered(members[one][1], rng))
    image = BytesIO()
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.3 else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(image, "w", method) as archive:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in members:
            archive.writestr(name, data)
    return image.getvalue()


def _text(text: str, rng: Rng) -> str:
    """A name with a letter changed."""
    place = int(rng.integers(len(text)))
    return text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :]
