//! Every kind of archive: filled through a bad server, gone on with, checked.

use std::{collections::BTreeMap, fs, io::Write, path::Path, process::Output};

use tidegate_lab::mock::Mock;
use tidegate_store::{
    TileId,
    archive::{Archive, ArchiveError},
};

use crate::support::{code, head, json, listen, mock, run, settled, stderr, stdout};

/// The world to zoom 3 into `path`.
fn fetch(mock: &Mock, path: &Path, further: &[&str]) -> Output {
    let (url, path) = (mock.url_template(), path.to_str().expect("UTF-8"));
    let area = ["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-3", "--output", path, "--url-template", &url];
    run(&[&area[..], &["--output-format", "json"], further].concat())
}

fn verify(path: &Path) -> Output {
    run(&["verify", path.to_str().expect("UTF-8")])
}

pub(crate) fn tiles(path: &Path) -> BTreeMap<TileId, Vec<u8>> {
    let mut tiles = BTreeMap::new();
    let mut archive = Archive::open(path).unwrap_or_else(|error| panic!("{error}"));
    archive
        .visit(|id, tile| {
            tiles.insert(id, tile.to_vec());
            Ok::<(), ArchiveError>(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    tiles
}

#[test]
fn every_kind_holds_the_same_tiles_is_sound_and_is_gone_on_with() {
    let mock = mock("503=10%\n reset=5%\n truncate=5%\n seed=3");
    let folder = tempfile::tempdir().expect("a directory");
    let mut first = None;
    for name in ["tree", "world.mbtiles", "world.pmtiles"] {
        let path = folder.path().join(name);
        mock.set_faults("503=10%\n reset=5%\n truncate=5%\n seed=3".parse().expect("rules")).expect("valid");
        let output = fetch(&mock, &path, &[]);
        assert_eq!(code(&output), Some(0), "{name}: {}", stderr(&output));
        let found = tiles(&path);
        let metrics = json(&output)["metrics"].clone();
        assert_eq!((&metrics["requested"], &metrics["fetched"]), (&85.into(), &found.len().into()), "{name}");
        assert!(*first.get_or_insert_with(|| found.clone()) == found, "{name} differs from the tree");

        let verified = verify(&path);
        assert_eq!(code(&verified), Some(0), "{name}: {}{}", stdout(&verified), stderr(&verified));
        assert!(stdout(&verified).ends_with("sound\n"), "{}", stdout(&verified));

        mock.set_faults("".parse().expect("no rules")).expect("valid");
        mock.reset();
        let again = fetch(&mock, &path, &[]);
        assert_eq!(json(&again)["metrics"]["revalidated"], found.len(), "{name}");
        assert_eq!(settled(&mock).received as usize, 85 - found.len(), "{name}: only what was empty is asked for");
        assert!(tiles(&path) == found, "{name}: nothing changed");
    }
}

#[test]
fn the_format_wins_over_the_ending() {
    let (mock, folder) = (mock(""), tempfile::tempdir().expect("a directory"));
    let path = folder.path().join("tiles.bin");
    assert_eq!(code(&fetch(&mock, &path, &["--format", "mbtiles"])), Some(0));
    assert!(fs::read(&path).expect("a file").starts_with(b"SQLite format 3\0"));
}

#[test]
fn a_damaged_tile_is_found_without_saying_where_and_fetched_again() {
    let (mock, folder) = (mock(""), tempfile::tempdir().expect("a directory"));
    let tree = folder.path().join("tree");
    assert_eq!(code(&fetch(&mock, &tree, &[])), Some(0));
    let before = tiles(&tree);
    let (damaged, bytes) = before.iter().nth(7).expect("tiles");
    let extension = mock.url_template().rsplit('.').next().expect("one").to_owned();
    let file = tree.join(format!("{}/{}/{}.{extension}", damaged.z(), damaged.x(), damaged.y()));
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("half a tile");

    let found = verify(&tree);
    assert_eq!(code(&found), Some(1));
    assert!(stdout(&found).contains(&format!("a tile of zoom {} is damaged", damaged.z())), "{}", stdout(&found));
    assert!(stderr(&found).contains("1 things are wrong") && stderr(&found).contains("fetch into it again"));
    let place = format!("{}/{}/{}", damaged.z(), damaged.x(), damaged.y());
    let named = format!("the tile {place} is damaged");
    for format in ["text", "json"] {
        let told = ["verify", tree.to_str().expect("UTF-8"), "--output-format", format];
        assert!(!stdout(&run(&told)).contains(&place), "nobody asked where");
        let placed = stdout(&run(&[&told[..], &["--log-locations"]].concat()));
        assert!(placed.contains(&named), "{placed}");
    }

    mock.reset();
    assert_eq!(code(&fetch(&mock, &tree, &[])), Some(0));
    assert_eq!(settled(&mock).received as usize, 85 - before.len() + 1, "the damaged one, and what was empty");
    assert!(tiles(&tree) == before);
}

#[test]
fn what_is_no_archive_is_neither_checked_nor_added_to() {
    let (mock, folder) = (mock(""), tempfile::tempdir().expect("a directory"));
    let path = folder.path().join("notes.mbtiles");
    fs::write(&path, "not tiles, but somebody's work").expect("a file");
    for (output, expected) in [(verify(&path), 2), (fetch(&mock, &path, &[]), 4)] {
        assert_eq!(code(&output), Some(expected));
        assert!(stderr(&output).contains("notes.mbtiles"), "{}", stderr(&output));
    }
    assert_eq!(fs::read(&path).expect("still there"), b"not tiles, but somebody's work");
    assert_eq!(mock.stats().received, 0, "what cannot be kept is not fetched");
}

#[test]
fn an_archive_that_is_cut_or_damaged_is_not_sound() {
    let (mock, folder) = (mock(""), tempfile::tempdir().expect("a directory"));
    let path = |name: &str| folder.path().join(name);
    let (mbtiles, pmtiles) = (path("world.mbtiles"), path("world.pmtiles"));
    assert_eq!((code(&fetch(&mock, &mbtiles, &[])), code(&fetch(&mock, &pmtiles, &[]))), (Some(0), Some(0)));
    let (rows, entries) = (fs::read(&mbtiles).expect("a file"), fs::read(&pmtiles).expect("a file"));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let flipped = |at: usize| {
        let mut bytes = entries.clone();
        bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0xff);
        bytes
    };
    let metadata = usize::from(entries[24]) + 256 * usize::from(entries[25]);
    for (name, bytes) in [
        ("half.mbtiles", half(&rows)),
        ("head.mbtiles", rows[..300].to_vec()),
        ("half.pmtiles", half(&entries)),
        ("head.pmtiles", entries[..60].to_vec()),
        ("root.pmtiles", flipped(127)),
        ("inside.pmtiles", flipped(140)),
        ("metadata.pmtiles", flipped(metadata)),
    ] {
        let damaged = path(name);
        fs::write(&damaged, bytes).expect("a file");
        let output = verify(&damaged);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(1), "{name}: {said}");
        assert!(stdout(&output).contains("cannot read ") && !stdout(&output).contains("sound"), "{}", stdout(&output));
        assert!(said.contains("cannot be mended: fetch into a new one"), "{name}: {said}");
        let described = run(&["verify", "--output-format", "json", damaged.to_str().expect("UTF-8")]);
        assert_eq!((code(&described), &json(&described)["sound"]), (Some(1), &false.into()), "{name}");
    }
}

/// A picture of one pixel.
const PICTURE: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82";
/// A vector tile with one layer and nothing in it.
const VECTOR: &[u8] = b"\x1a\x05\x0a\x01a\x78\x02";

/// A server of vector tiles that answers with a picture of its error wherever the column is odd.
fn server_of_mixed_kinds() -> String {
    let address = listen(|mut stream| {
        while let Some(head) = head(&mut stream) {
            let column = head.split('/').nth(2).and_then(|column| column.parse::<u32>().ok()).unwrap_or(0);
            let (kind, body) =
                if column % 2 == 1 { ("image/png", PICTURE) } else { ("application/x-protobuf", VECTOR) };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    format!("http://{address}/{{z}}/{{x}}/{{y}}.pbf")
}

#[test]
fn a_picture_that_comes_instead_of_a_vector_tile_is_given_up_and_not_written() {
    let (url, folder) = (server_of_mixed_kinds(), tempfile::tempdir().expect("a directory"));
    for name in ["world.mbtiles", "world.pmtiles"] {
        let path = folder.path().join(name);
        let letters = folder.path().join(format!("{name}.letters"));
        let (output, letters) = (path.to_str().expect("UTF-8"), letters.to_str().expect("UTF-8"));
        let world = ["fetch", "--bbox=-180,-85,180,85", "--zooms", "0-1", "--output", output, "--url-template", &url];
        for run_number in ["first", "second"] {
            let fetched = run(&[&world[..], &["--dead-letter", letters, "--output-format", "json"]].concat());
            assert_eq!(code(&fetched), Some(1), "{name}: {}", stderr(&fetched));
            let document = json(&fetched);
            assert_eq!(document["failed_by_kind"]["another format"], 2, "{name}, {run_number} run: {document:#}");
        }
        let told = fs::read_to_string(letters).expect("the letters");
        assert!(told.contains("another format"), "{told}");
        let reasons = run(&["-v", "replay", letters, "--output", output, "--url-template", &url]);
        assert!(stderr(&reasons).contains("the tile is png where pbf is expected"), "{}", stderr(&reasons));
        assert_eq!(tiles(&path).len(), 3, "{name}");
        assert_eq!(code(&verify(&path)), Some(0), "{name}");
    }
}
