"""A reader of PMTiles 3 that shares nothing with the code under test. Written from the specification."""

import gzip
import struct


def tiles(path):
    """Each tile as (zoom, column, row from the north) and bytes."""
    with open(path, "rb") as file:
        archive = file.read()
    assert archive[:8] == b"PMTiles\x03", "not PMTiles 3"
    root, root_length, _, _, leaves, _, data, _ = struct.unpack_from("<8Q", archive, 8)
    compression = archive[97]
    assert compression in (1, 2), f"directories with compression number {compression}"

    def walk(start, length):
        raw = archive[start : start + length]
        for number, run, offset, size in directory(gzip.decompress(raw) if compression == 2 else raw):
            if run == 0:
                yield from walk(leaves + offset, size)
            for one in range(number, number + run):
                yield place(one), archive[data + offset : data + offset + size]

    yield from walk(root, root_length)


def directory(raw):
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = raw[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    count, number, entries = varint(), 0, []
    for _ in range(count):
        number += varint()
        entries.append([number])
    for _ in range(2):
        for entry in entries:
            entry.append(varint())
    end = 0
    for number, run, size in entries:
        offset = varint()
        # 0: right behind the entry before.
        start = end if offset == 0 else offset - 1
        end = start + size
        yield number, run, start, size


def place(number):
    """The tile with that number along the Hilbert curves of all zooms."""
    zoom = 0
    while number >= 4**zoom:
        number -= 4**zoom
        zoom += 1
    x = y = 0
    side = 1
    while side < 1 << zoom:
        right = 1 & (number // 2)
        down = 1 & (number ^ right)
        if down == 0:
            if right == 1:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x + side * right, y + side * down
        number //= 4
        side *= 2
    return zoom, x, y
