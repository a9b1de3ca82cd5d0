//! Every kind of archive keeps what is put into it, over runs that end anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_store::archive::{Archive, ArchiveError};
use tidegate_store::sink::{Format, Held, Sink, SinkError};
use tidegate_store::verify::{Finding, verify};
use tidegate_store::{Durability, Metadata, TileId};

type Tiles = BTreeMap<(u8, u32, u32), Vec<u8>>;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Each kind of archive, and where one of it goes in `folder`.
fn kinds(folder: &TempDir) -> [(Format, PathBuf); 3] {
    let path = |name| folder.path().join(name);
    [
        (Format::Directory { extension: "png".to_owned() }, path("tree")),
        (Format::Mbtiles, path("a.mbtiles")),
        (Format::Pmtiles, path("a.pmtiles")),
    ]
}

fn open(format: &Format, path: &Path) -> (Sink, Held) {
    let metadata = Metadata { name: Some("test".to_owned()), ..Metadata::default() };
    Sink::open(format, path, metadata, Durability::Process).unwrap()
}

/// All tiles of one zoom; seven in ten are the same sea.
fn some_tiles(zoom: u8) -> Tiles {
    let mut tiles = Tiles::new();
    for x in 0..1_u32 << zoom {
        for y in 0..1_u32 << zoom {
            let land = (x * 31 + y * 17) % 10 < 3;
            let content = if land { format!("{x} {y}") } else { "sea".to_owned() };
            tiles.insert((zoom, x, y), [PNG, content.as_bytes()].concat());
        }
    }
    tiles
}

fn put_all(sink: &mut Sink, tiles: &Tiles) {
    for ((z, x, y), tile) in tiles {
        sink.put(TileId::new(*z, *x, *y).unwrap(), tile).unwrap();
    }
}

fn read_all(path: &Path) -> Tiles {
    let mut tiles = Tiles::new();
    let visited = Archive::open(path).unwrap().visit(|id, tile| {
        assert!(tiles.insert((id.z(), id.x(), id.y()), tile.to_vec()).is_none(), "a tile was visited twice");
        Ok::<(), ArchiveError>(())
    });
    visited.unwrap();
    tiles
}

fn assert_sound(path: &Path, tiles: &Tiles) {
    let report = verify(path, |tile| if tile.starts_with(PNG) { Ok(()) } else { Err("no PNG".into()) }).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.tile_count(), tiles.len() as u64);
    assert_eq!(report.bytes, tiles.values().map(|tile| tile.len() as u64).sum::<u64>());
}

#[test]
fn what_is_put_is_read_back_visited_found_and_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let mut tiles = some_tiles(4);
        tiles.extend(some_tiles(0));
        let (mut sink, held) = open(&format, &path);
        put_all(&mut sink, &tiles);
        drop(held);
        sink.finish().unwrap();
        assert_eq!(read_all(&path), tiles, "{format:?}");
        let mut archive = Archive::open(&path).unwrap();
        assert_eq!(archive.format(), format);
        for ((z, x, y), tile) in &tiles {
            assert_eq!(archive.get(TileId::new(*z, *x, *y).unwrap()).unwrap().as_ref(), Some(tile), "{format:?}");
        }
        assert_eq!(archive.get(TileId::new(5, 0, 0).unwrap()).unwrap(), None);
        assert_sound(&path, &tiles);
    }
}

#[test]
fn a_run_that_was_not_finished_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let (first, second) = (some_tiles(3), some_tiles(2));
        put_all(&mut open(&format, &path).0, &first);
        let (mut sink, mut held) = open(&format, &path);
        for (z, x, y) in first.keys() {
            assert!(held.has(TileId::new(*z, *x, *y).unwrap()).unwrap(), "{format:?} lost a tile");
        }
        assert!(!held.has(TileId::new(2, 0, 0).unwrap()).unwrap(), "{format:?} claims a tile");
        drop(held);
        put_all(&mut sink, &second);
        sink.finish().unwrap();
        let both: Tiles = first.into_iter().chain(second).collect();
        assert_eq!(read_all(&path), both, "{format:?}");
        assert_sound(&path, &both);
    }
}

#[test]
fn a_finished_archive_is_added_to_and_the_newer_tile_counts() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let mut tiles = some_tiles(3);
        let (mut sink, held) = open(&format, &path);
        put_all(&mut sink, &tiles);
        drop(held);
        sink.finish().unwrap();

        let newer: Tiles = [((3, 1, 1), [PNG, b"newer"].concat()), ((4, 9, 9), [PNG, b"sea"].concat())].into();
        let (mut sink, mut held) = open(&format, &path);
        assert!(held.has(TileId::new(3, 7, 7).unwrap()).unwrap());
        drop(held);
        put_all(&mut sink, &newer);
        put_all(&mut sink, &newer);
        sink.finish().unwrap();
        tiles.extend(newer);
        assert_eq!(read_all(&path), tiles, "{format:?}");
        assert_sound(&path, &tiles);

        let (unchanged, mut held) = open(&format, &path);
        for (tile, is_sound) in [((3, 1, 1), false), ((3, 7, 7), true), ((5, 0, 0), false)] {
            let id = TileId::new(tile.0, tile.1, tile.2).unwrap();
            let found = held.has_sound(id, |bytes| bytes != [PNG, b"newer"].concat()).unwrap();
            assert_eq!(found, is_sound, "{format:?} {tile:?}");
        }
        drop(held);
        unchanged.finish().unwrap();
        assert_eq!(read_all(&path), tiles, "{format:?} changed without a new tile");
    }
}

#[test]
fn nothing_but_the_archive_is_left_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let (mut sink, held) = open(&format, &path);
        put_all(&mut sink, &some_tiles(1));
        drop(held);
        sink.finish().unwrap();
    }
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["a.mbtiles", "a.pmtiles", "tree"]);
}

#[test]
fn without_a_tile_there_is_no_pmtiles_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pmtiles");
    open(&Format::Pmtiles, &path).0.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_tile_without_bytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let error = open(&format, &path).0.put(TileId::new(3, 0, 0).unwrap(), b"").unwrap_err();
        assert_eq!(error.to_string(), "a tile of zoom 3 has no bytes; leave empty tiles out");
    }
}

#[test]
fn bare_vector_tiles_are_gzipped_where_the_format_demands_it() {
    let folder = tempfile::tempdir().unwrap();
    let id = TileId::new(0, 0, 0).unwrap();
    for (format, path) in kinds(&folder) {
        let (mut sink, held) = open(&format, &path);
        sink.put(id, b"\x1a\x02\x0a\x00").unwrap();
        drop(held);
        sink.finish().unwrap();
        let stored = Archive::open(&path).unwrap().get(id).unwrap().unwrap();
        let gzipped = stored.starts_with(b"\x1f\x8b");
        assert_eq!(gzipped, !matches!(format, Format::Directory { .. }), "{format:?}");
    }
}

#[test]
fn an_archive_of_vector_tiles_lists_their_layers_even_if_nobody_said_so() {
    let folder = tempfile::tempdir().unwrap();
    // A tile with the layer "sea", version 2.
    let tile = b"\x1a\x07\x78\x02\x0a\x03sea";
    for (format, path) in &kinds(&folder)[1..] {
        let (mut sink, held) = open(format, path);
        for (z, x) in [(2, 1), (2, 2), (4, 3)] {
            sink.put(TileId::new(z, x, 0).unwrap(), tile).unwrap();
        }
        drop(held);
        sink.finish().unwrap();
        let layers = Archive::open(path).unwrap().metadata().unwrap().vector_layers;
        let expected = serde_json::json!([{ "id": "sea", "fields": {}, "minzoom": 2, "maxzoom": 4 }]);
        assert_eq!(layers, Some(expected), "{format:?}");
        let report = verify(path, |_| Ok(())).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
    }
}

#[test]
fn many_different_tiles_take_leaf_directories_and_are_all_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.pmtiles");
    let (mut sink, _held) = open(&Format::Pmtiles, &path);
    // Lengths that do not repeat keep neighbours from sharing an entry, and their index from compressing well.
    let tile = |n: u32| [PNG, &vec![b'.'; n as usize % 97], &n.to_be_bytes()].concat();
    let place = |n: u32| TileId::new(8, n % 256, n / 256).unwrap();
    for n in 0..9000 {
        sink.put(place(n), &tile(n)).unwrap();
    }
    sink.finish().unwrap();
    let mut archive = Archive::open(&path).unwrap();
    for n in (0..9000).step_by(7) {
        assert_eq!(archive.get(place(n)).unwrap(), Some(tile(n)));
    }
    assert_eq!(archive.get(place(9000)).unwrap(), None);
    assert_eq!(read_all(&path).len(), 9000);
    let report = verify(&path, |_| Ok(())).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}

#[test]
fn a_second_run_into_the_same_pmtiles_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pmtiles");
    let _first = open(&Format::Pmtiles, &path);
    let second = Sink::open(&Format::Pmtiles, &path, Metadata::default(), Durability::Process);
    let message = second.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("a.pmtiles is being written to by another process"), "{message}");
}

#[test]
fn two_runs_can_share_an_mbtiles_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mbtiles");
    let (mut one, held_by_one) = open(&Format::Mbtiles, &path);
    let (mut two, held_by_two) = open(&Format::Mbtiles, &path);
    put_all(&mut one, &some_tiles(1));
    put_all(&mut two, &some_tiles(2));
    drop((held_by_one, held_by_two));
    one.finish().unwrap();
    two.finish().unwrap();
    assert_eq!(read_all(&path).len(), 4 + 16);
    assert!(!folder.path().join("a.mbtiles-wal").exists());
}

#[test]
fn something_else_at_the_path_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [(Format::Mbtiles, "a.mbtiles"), (Format::Pmtiles, "a.pmtiles")] {
        let path = folder.path().join(name);
        let text = b"my diary, and it is longer than any header of any format would be: ".repeat(20);
        std::fs::write(&path, &text).unwrap();
        let error = Sink::open(&format, &path, Metadata::default(), Durability::Process).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
        let error = Archive::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("is neither a folder of tiles nor MBTiles nor PMTiles"), "{error}");
    }
}

#[test]
fn verify_tells_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in kinds(&folder) {
        let (mut sink, held) = open(&format, &path);
        put_all(&mut sink, &some_tiles(1));
        sink.put(TileId::new(2, 1, 1).unwrap(), &[PNG, b"half"].concat()).unwrap();
        drop(held);
        sink.finish().unwrap();
        let check = |tile: &[u8]| if tile.ends_with(b"half") { Err("it is cut short".into()) } else { Ok(()) };
        let report = verify(&path, check).unwrap();
        assert_eq!(report.finding_count, 1, "{format:?} {:?}", report.findings);
        assert_eq!(report.findings[0].to_string(), "a tile of zoom 2 is damaged: it is cut short");
    }
}

#[test]
fn verify_reports_a_table_that_is_missing_and_fails_where_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for table in ["tiles", "metadata"] {
        let path = folder.path().join(format!("{table}.mbtiles"));
        let (mut sink, held) = open(&Format::Mbtiles, &path);
        put_all(&mut sink, &some_tiles(1));
        drop(held);
        sink.finish().unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(&format!("DROP TABLE {table}")).unwrap();
        let report = verify(&path, |_| Ok(())).unwrap();
        assert!(matches!(report.findings[..], [Finding::Unreadable(_)]), "{:?}", report.findings);
        assert!(!report.is_sound() && !report.is_whole());
        assert!(report.findings[0].to_string().contains(table), "{}", report.findings[0]);
    }
    let error = verify(&folder.path().join("nothing.mbtiles"), |_| Ok(())).unwrap_err();
    assert!(matches!(error, ArchiveError::Io { .. }) && !error.is_damage(), "{error}");
}

#[test]
fn an_archive_takes_tiles_of_one_format_whichever_run_brings_them() {
    let vector: &[u8] = b"\x1f\x8b vector";
    let folder = tempfile::tempdir().unwrap();
    let tile = |x| TileId::new(3, x, 0).unwrap();
    for (format, path) in &kinds(&folder)[1..] {
        let (mut sink, held) = open(format, path);
        sink.put(tile(0), vector).unwrap();
        let refuses = |sink: &mut Sink, when: &str| {
            let refused = sink.put(tile(1), PNG).unwrap_err();
            assert!(matches!(refused, SinkError::Format { zoom: 3, .. }), "{when}: {refused}");
            assert!(refused.to_string().contains("is png, and those in the archive are pbf"), "{refused}");
        };
        refuses(&mut sink, "after the first");
        drop((sink, held));
        let (mut sink, held) = open(format, path);
        refuses(&mut sink, "after a kill");
        drop(held);
        sink.finish().unwrap();
        let (mut sink, held) = open(format, path);
        refuses(&mut sink, "when it was finished");
        sink.put(tile(2), vector).unwrap();
        drop(held);
        sink.finish().unwrap();
        assert_eq!(read_all(path).into_keys().collect::<Vec<_>>(), [(3, 0, 0), (3, 2, 0)]);
    }
}

#[test]
fn verify_finds_tiles_of_another_format_than_the_archive_says() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in &kinds(&folder)[1..] {
        let (mut sink, held) = open(format, path);
        put_all(&mut sink, &some_tiles(1));
        drop(held);
        sink.finish().unwrap();
        match format {
            Format::Mbtiles => {
                let db = rusqlite::Connection::open(path).unwrap();
                db.execute_batch("UPDATE metadata SET value = 'jpg' WHERE name = 'format'").unwrap();
            }
            _ => {
                let mut bytes = std::fs::read(path).unwrap();
                bytes[99] = 3; // the tile type in the header: JPEG
                std::fs::write(path, bytes).unwrap();
            }
        }
        let report = verify(path, |_| Ok(())).unwrap();
        assert!(report.finding_count > 0 && !report.is_sound());
        for finding in &report.findings {
            assert_eq!(finding.to_string(), "a tile of zoom 1 is png, and the archive says jpg", "{format:?}");
        }
    }
}

#[test]
fn verify_finds_strays_orphans_and_doubles_in_a_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, _held) = open(&Format::Directory { extension: "png".to_owned() }, folder.path());
    put_all(&mut sink, &some_tiles(1));
    for name in ["1/0/0.jpg", "1/0/9.png", "1/0/00.png", ".tidegate-part-1-1", "notes.txt"] {
        std::fs::write(folder.path().join(name), b"x").unwrap();
    }
    let report = verify(folder.path(), |_| Ok(())).unwrap();
    let count = |wanted: fn(&Finding) -> bool| report.findings.iter().filter(|finding| wanted(finding)).count();
    assert_eq!(count(|finding| matches!(finding, Finding::Duplicate(_))), 1);
    let told = |told: fn(&Finding) -> String| report.findings.iter().map(told).collect::<Vec<_>>();
    let (told, placed) = (told(Finding::to_string), told(|finding| finding.show_location().to_string()));
    for (name, path) in [("…/…/00.png", "1/0/00.png"), ("…/…/9.png", "1/0/9.png"), ("notes.txt", "notes.txt")] {
        assert!(told.contains(&format!("the file {name} is no tile")), "{told:?}");
        assert!(placed.contains(&format!("the file {path} is no tile")), "{placed:?}");
    }
    assert!(told.contains(&"a tile of zoom 1 is there more than once".to_owned()), "{told:?}");
    assert!(placed.contains(&"the tile 1/0/0 is there more than once".to_owned()), "{placed:?}");
    assert_eq!(count(|finding| matches!(finding, Finding::Unfinished)), 1);
    assert_eq!(report.finding_count, 5);
}

#[test]
fn verify_says_which_rows_are_outside_the_world_and_where_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mbtiles");
    let (mut sink, held) = open(&Format::Mbtiles, &path);
    put_all(&mut sink, &some_tiles(1));
    drop(held);
    sink.finish().unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("INSERT INTO tiles VALUES (3, 8, 7, x'01'), (99, 0, 0, x'01')").unwrap();
    let report = verify(&path, |_| Ok(())).unwrap();
    let told: Vec<_> = report.findings.iter().map(Finding::to_string).collect();
    let stray = |row| format!("row {row} of `tiles` is no tile: its address is outside the world");
    assert_eq!(told, [stray(5), stray(6)]);
    let placed: Vec<_> = report.findings.iter().map(|finding| finding.show_location().to_string()).collect();
    let at = |row, address| format!("row {row} of `tiles` is no tile: {address} is outside the world");
    let first = at(5, "zoom_level 3, tile_column 8, tile_row 7");
    assert_eq!(placed, [first, at(6, "zoom_level 99, tile_column 0, tile_row 0")]);
}

#[test]
fn verify_notices_a_log_that_was_not_built_into_its_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pmtiles");
    let (mut sink, _held) = open(&Format::Pmtiles, &path);
    put_all(&mut sink, &some_tiles(1));
    sink.finish().unwrap();
    put_all(&mut open(&Format::Pmtiles, &path).0, &some_tiles(2));
    let report = verify(&path, |_| Ok(())).unwrap();
    assert!(matches!(report.findings[..], [Finding::Unfinished]), "{:?}", report.findings);
}

#[cfg(unix)]
#[test]
fn archives_and_logs_can_be_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (format, path) in &kinds(&folder)[1..] {
        let (mut sink, held) = open(format, path);
        put_all(&mut sink, &some_tiles(1));
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        drop(held);
        sink.finish().unwrap();
        assert_eq!(mode(path), 0o600);
    }
}
