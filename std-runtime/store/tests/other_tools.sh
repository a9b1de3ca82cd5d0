#!/usr/bin/env bash
# Proves that archives written here open in tools that nobody here wrote, and that they find every tile in them.
#
# usage: other_tools.sh ARCHIVE   an archive of vector tiles to copy into each kind first
#
# Needs sqlite3 and gdal-bin (Debian), python3 with the package pmtiles (PyPI), and cargo. What is missing is an error:
# a check that could not run has failed.
set -euo pipefail

source_archive=$(realpath "${1:?usage: other_tools.sh ARCHIVE}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in sqlite3 ogrinfo python3 cargo; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it (sqlite3, gdal-bin, python3)"; exit 1; }
done
python3 -c 'import pmtiles' || { echo "the python package pmtiles is missing: pip install pmtiles"; exit 1; }

copy() { (cd "$here" && cargo run --quiet --release --example copy_archive -- "$1" "$2" | cut -d" " -f1); }
count=$(copy "$source_archive" "$work/a.mbtiles")
[ "$(copy "$work/a.mbtiles" "$work/a.pmtiles")" = "$count" ]
[ "$(copy "$work/a.pmtiles" "$work/tree")" = "$count" ]
echo "copied $count tiles into each kind"

[ "$(sqlite3 "$work/a.mbtiles" 'PRAGMA integrity_check')" = ok ]
[ "$(sqlite3 "$work/a.mbtiles" 'SELECT count(*) FROM tiles')" = "$count" ]
[ "$(find "$work/tree" -type f | wc -l)" = "$count" ]
echo "sqlite3: integrity ok, $count tiles; as many files in the tree"

ogrinfo -ro -so -al "$work/a.mbtiles" >"$work/ogrinfo"
grep -q "driver \`MBTiles' successful" "$work/ogrinfo"
features=$(awk '/^Feature Count:/ { sum += $3 } END { print sum + 0 }' "$work/ogrinfo")
[ "$features" -gt 0 ]
echo "gdal: the MBTiles driver reads $features features"
# GDAL reads PMTiles from 3.8 on.
if ogrinfo --formats | grep -q PMTiles; then
    ogrinfo -ro -so -al "$work/a.pmtiles" | grep -q 'Feature Count: [1-9]'
    echo "gdal: the PMTiles driver reads features as well"
fi

python3 - "$work/a.mbtiles" "$work/a.pmtiles" "$work/tree" "$count" <<'PYTHON'
import os, sqlite3, sys
from pmtiles.reader import MmapSource, Reader, all_tiles

mbtiles, archive, tree, count = sys.argv[1:]
seen = {}
with open(archive, "rb") as file:
    source = MmapSource(file)
    header, metadata = Reader(source).header(), Reader(source).metadata()
    for (z, x, y), data in all_tiles(source):
        seen[z, x, y] = bytes(data)
assert len(seen) == int(count) == header["addressed_tiles_count"], (len(seen), count, header)
assert header["clustered"] and metadata["vector_layers"], (header, metadata)
for z, x, row, data in sqlite3.connect(mbtiles).execute("SELECT * FROM tiles"):
    y = (1 << z) - 1 - row
    assert seen[z, x, y] == data
    assert open(os.path.join(tree, str(z), str(x), f"{y}.pbf"), "rb").read() == data
print(f"python: sqlite3, pmtiles and the tree agree on {count} tiles")
PYTHON

cargo run --quiet --release --manifest-path "$here/other_tools/Cargo.toml" -- "$work/a.mbtiles" "$work/a.pmtiles"
