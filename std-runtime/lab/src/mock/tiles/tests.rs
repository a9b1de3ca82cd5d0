use std::fs;

use futures_lite::future::block_on;
use rusqlite::Connection;

use super::*;

fn key(text: &str) -> TileId {
    text.parse().expect("a tile")
}

fn embedded() -> Tiles {
    Tiles::open(&TileSource::Embedded, None).expect("the embedded tiles")
}

/// An archive in a file of its own, deleted at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, sql: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-mock-{}-{name}.mbtiles", std::process::id()));
        let _ = fs::remove_file(&path);
        let scratch = Self(path);
        Connection::open(&scratch.0).and_then(|connection| connection.execute_batch(sql)).expect("a scratch archive");
        scratch
    }

    fn open(&self) -> Result<Tiles, TilesError> {
        Tiles::open(&TileSource::Archive(self.0.clone()), None)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const TABLES: &str = "CREATE TABLE metadata (name text, value text);
    CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob);";

#[test]
fn the_embedded_archive_has_its_267_tiles() {
    let tiles = embedded();
    let Store::Memory(all) = &tiles.store else { panic!("the embedded tiles belong into memory") };
    let at = |zoom| all.keys().filter(|key| key.z() == zoom).count();
    assert_eq!([at(0), at(1), at(2), at(3), at(4)], [1, 4, 16, 61, 185]);
    assert!(all.values().all(Tile::is_gzip));
    assert_eq!(tiles.format(), Format::Pbf);
}

#[test]
fn rows_are_turned_from_south_to_north() {
    let scratch = Scratch::new("rows", &format!("{TABLES} INSERT INTO tiles VALUES (11, 327, 1256, x'1f8b01')"));
    let tiles = scratch.open().expect("a good archive");
    let found = |text| block_on(tiles.find(key(text))).expect("a readable archive").is_some();
    assert!(found("11/327/791"));
    assert!(!found("11/327/1256"));
}

#[test]
fn memory_and_disk_serve_the_same() {
    let path = std::env::temp_dir().join(format!("tidegate-mock-{}-same.mbtiles", std::process::id()));
    fs::write(&path, EMBEDDED).expect("a scratch archive");
    let from_disk = open_file(&path, 0).map(|(store, ..)| store);
    let _ = fs::remove_file(&path);
    let Ok(Store::Disk(readers)) = from_disk else { panic!("nothing fits into no memory") };
    let tiles = embedded();
    for text in ["0/0/0", "4/8/5", "3/1/2", "4/0/0", "5/0/0"] {
        let bytes = |tile: Option<Tile>| tile.map(|tile| (tile.bytes().to_vec(), tile.tag()));
        let memory = block_on(tiles.find(key(text))).map(bytes).expect("readable");
        assert_eq!(block_on(readers.find(key(text))).map(bytes).expect("readable"), memory, "{text}");
    }
}

#[test]
fn rows_that_are_not_on_the_map_or_empty_are_passed_over() {
    let rows = [
        "0, 0, 0, NULL",
        "1, 2, 0, x'89504e47'",
        "40, 0, 0, x'89504e47'",
        "1, -1, 0, x'89504e47'",
        "1, 0, 0, x'89504e47'",
    ];
    let scratch = Scratch::new("odd", &format!("{TABLES} INSERT INTO tiles VALUES ({})", rows.join("), (")));
    let tiles = scratch.open().expect("a good archive");
    assert_eq!(tiles.format(), Format::Png, "by its bytes, as the archive does not say");
    let Store::Memory(all) = &tiles.store else { panic!("small archives belong into memory") };
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), [key("1/0/1")]);
}

#[test]
fn what_is_no_archive_is_named_in_the_error() {
    let missing = Tiles::open(&TileSource::Archive("no/such/file.mbtiles".into()), None);
    assert!(matches!(&missing, Err(TilesError::Archive(ArchiveError::NoFile { .. }))));
    assert!(missing.err().is_some_and(|error| error.to_string().contains("no/such/file.mbtiles")));

    let empty = Scratch::new("empty", "CREATE TABLE other (a)").open().err().map(|error| error.to_string());
    assert!(empty.as_deref().is_some_and(|text| text.contains("no such table: tiles")), "{empty:?}");
}

#[test]
fn made_tiles_begin_where_the_archive_ends() {
    let tiles = Tiles::open(&TileSource::Embedded, Some(1_000)).expect("good sizes");
    let size = |text| block_on(tiles.find(key(text))).expect("readable").map(|tile| tile.bytes().len());
    assert_eq!(size("5/0/0"), Some(1_000));
    assert_eq!(size("30/5/5"), Some(1_000));
    assert_eq!(size("0/0/0"), Some(17_588));
    assert_eq!(size("4/0/0"), None, "absent inside the archive's zooms stays absent");
    let alone = Tiles::open(&TileSource::Nothing, Some(64)).expect("good sizes");
    assert_eq!(block_on(alone.find(key("0/0/0"))).expect("readable").map(|tile| tile.bytes().len()), Some(64));
}

#[test]
fn sizes_and_sources_that_cannot_be_served_are_rejected() {
    let open = |source, bytes| Tiles::open(&source, bytes).err();
    assert!(matches!(open(TileSource::Nothing, None), Some(TilesError::Nothing)));
    assert!(matches!(open(TileSource::Embedded, Some(63)), Some(TilesError::SyntheticSize { bytes: 63 })));
    assert!(matches!(open(TileSource::Embedded, Some((64 << 20) + 1)), Some(TilesError::SyntheticSize { .. })));
    let png = Scratch::new("png", &format!("{TABLES} INSERT INTO metadata VALUES ('format', 'png')"));
    assert!(matches!(open(TileSource::Archive(png.0.clone()), Some(64)), Some(TilesError::SyntheticFormat)));
}

#[test]
fn a_decoy_is_never_the_tile_itself() {
    let tiles = embedded();
    for text in ["0/0/0", "1/0/0", "4/8/5"] {
        let tile = block_on(tiles.find(key(text))).expect("readable").expect("there");
        let decoy = tiles.other_than(&tile).expect("two tiles differ");
        assert_ne!(decoy.bytes(), tile.bytes(), "{text}");
    }
}
