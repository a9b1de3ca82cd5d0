//! Which tiles are asked for, and in which words.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    archives::tiles,
    support::{NOTHING_THERE, code, head, json, listen, mock, run, stderr, stdout},
};

fn fetch(url: &str, output: &Path, further: &[&str]) -> Output {
    let output = output.to_str().expect("UTF-8");
    run(&[&["fetch", "--output", output, "--url-template", url, "--output-format", "json"][..], further].concat())
}

/// What a server that knows of no tile is asked for, each with its query.
fn asked(further: &[&str], path: &str) -> BTreeSet<String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    let server = thread::spawn(move || {
        let mut asked = BTreeSet::new();
        for connection in listener.incoming() {
            let connection = connection.expect("a connection");
            let Some(target) = refuse(connection) else { continue };
            if target == "/end" {
                return asked;
            }
            asked.insert(target);
        }
        asked
    });
    let folder = tempfile::tempdir().expect("a directory");
    let url = format!("http://{address}{path}");
    let output = fetch(&url, folder.path(), &[&["--extension", "png"][..], further].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let mut end = TcpStream::connect(address).expect("the server listens");
    end.write_all(b"GET /end HTTP/1.1\r\n\r\n").expect("it reads");
    server.join().expect("the server ends")
}

/// Answers one request with 404, and says what it was for.
fn refuse(mut connection: TcpStream) -> Option<String> {
    let mut lines = BufReader::new(connection.try_clone().ok()?).lines().map_while(Result::ok);
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
    Some(target)
}

const TOP: [&str; 3] = ["--bbox=-180,-85,180,85", "--zooms", "0"];
/// The box around the world.
const WORLD_M: &str = "-20037508.342789244,-20037508.342789244,20037508.342789244,20037508.342789244";

#[test]
fn every_scheme_asks_in_its_own_words() {
    let all = |further: &[&str], path: &str| asked(&[&TOP[..], further].concat(), path);
    let one = |target: String| BTreeSet::from([target]);
    assert_eq!(all(&["--scheme", "tms"], "/t/{z}/{x}/{y}.png"), one("/t/0/0/0.png".to_owned()));
    let north = ["--scheme", "tms", "--bbox=1,1,2,2", "--zooms", "1"];
    assert_eq!(asked(&north, "/t"), one("/t/1/1/1.png".to_owned()), "the northern row is 1, counted from the south");
    let berlin = ["--scheme", "quadkey", "--bbox=13.401,52.501,13.402,52.502", "--zooms", "14"];
    assert_eq!(asked(&berlin, "/{quadkey}.png").len(), 1);
    assert_eq!(
        all(&["--scheme", "wms", "--layers", "a,b"], "/ows?map=m"),
        one(format!(
            "/ows?map=m&SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=a,b&STYLES=&CRS=EPSG:3857&BBOX={WORLD_M}\
             &WIDTH=256&HEIGHT=256&FORMAT=image/png&TRANSPARENT=TRUE"
        ))
    );
    let old = all(&["--scheme", "wms-1.1.1", "--layers", "a"], "/ows");
    assert!(old.iter().all(|target| target.contains("VERSION=1.1.1") && target.contains("SRS=EPSG:3857")), "{old:?}");
    assert_eq!(
        all(&["--scheme", "wmts", "--layers", "a", "--matrix-prefix", "m:"], "/wmts"),
        one("/wmts?service=WMTS&request=GetTile&version=1.0.0&layer=a&style=default&format=image/png\
             &TileMatrixSet=GoogleMapsCompatible&TileMatrix=m:0&TileRow=0&TileCol=0"
            .to_owned())
    );
    let rest = "/{Layer}/{Style}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.png";
    assert_eq!(
        all(&["--scheme", "wmts", "--layers", "a", "--matrix-set", "g"], rest),
        one("/a/default/g/0/0/0.png".to_owned())
    );
}

#[test]
fn a_tilejson_document_says_where_tiles_are() {
    let mock = mock("");
    let folder = tempfile::tempdir().expect("a directory");
    let document = format!(r#"{{ "tilejson": "3.0.0", "name": "land", "tiles": ["{}"] }}"#, mock.url_template());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/tiles.json", listener.local_addr().expect("its number"));
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a connection");
        let lines = BufReader::new(connection.try_clone().expect("a handle")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.is_empty()));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", document.len());
        connection.write_all(format!("{head}{document}").as_bytes()).expect("the command reads");
    });
    let path = folder.path().join("land.mbtiles");
    let output = fetch(&url, &path, &[&TOP[..], &["--scheme", "tilejson"]].concat());
    server.join().expect("the server ends");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(tiles(&path).len(), 1);
    let metadata = tidegate_store::archive::Archive::open(&path).and_then(|mut archive| archive.metadata());
    assert_eq!(metadata.expect("readable").name.as_deref(), Some("land"));
}

/// A server of this document at `/maps/tiles.json` that has no tile, its port, and what it was asked for beside that.
fn cartographer(document: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&asked);
    let address = listen(move |mut stream| {
        while let Some(head) = head(&mut stream) {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = if path == "/maps/tiles.json" {
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}", document.len()).into_bytes()
            } else {
                written.lock().expect("no panic").push(path);
                NOTHING_THERE.to_vec()
            };
            let _ = stream.write_all(&answer);
        }
    });
    (address.port(), asked)
}

#[test]
fn what_a_tilejson_document_says_is_not_there_is_not_asked_for_and_templates_may_be_relative() {
    let (port, asked) = cartographer(
        r#"{ "tiles": ["../t/{z}/{x}/{y}.png"], "minzoom": 1, "maxzoom": 3, "bounds": [-10, 35, 30, 70] }"#,
    );
    let folder = tempfile::tempdir().expect("a directory");
    let url = format!("http://127.0.0.1:{port}/maps/tiles.json");
    let world = ["--bbox=-180,-85.06,180,85.06", "--zooms", "0-4", "--scheme", "tilejson"];
    let output = fetch(&url, &folder.path().join("tree"), &world);
    let said = stderr(&output);
    assert_eq!(code(&output), Some(0), "{said}");
    let mut paths = std::mem::take(&mut *asked.lock().expect("no panic"));
    paths.sort();
    let deepest = ["/t/3/3/1.png", "/t/3/3/2.png", "/t/3/3/3.png", "/t/3/4/1.png", "/t/3/4/2.png", "/t/3/4/3.png"];
    let above = ["/t/1/0/0.png", "/t/1/1/0.png", "/t/2/1/0.png", "/t/2/1/1.png", "/t/2/2/0.png", "/t/2/2/1.png"];
    let expected: Vec<_> = above.iter().chain(&deepest).map(|path| (*path).to_owned()).collect();
    assert_eq!(paths, expected);
    assert_eq!(json(&output)["metrics"]["requested"], paths.len());
    let left_out = format!("{} of 341 tiles were not asked for", 341 - paths.len());
    assert!(said.contains(&left_out) && said.contains("zooms 1-3 within -10,35,30,70 only"), "{said}");
}

#[test]
fn further_places_in_a_tilejson_document_are_mirrors() {
    let document = r#"{ "tiles": ["http://127.0.0.1:1/{z}/{x}/{y}.png", "/t/{z}/{x}/{y}.png"] }"#;
    let (port, asked) = cartographer(document);
    let folder = tempfile::tempdir().expect("a directory");
    let url = format!("http://127.0.0.1:{port}/maps/tiles.json");
    let world = ["--bbox=-180,-85.06,180,85.06", "--zooms", "0-2", "--scheme", "tilejson"];
    let output = fetch(&url, &folder.path().join("tree"), &world);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(asked.lock().expect("no panic").len(), 21, "the second one has what the first one cannot give");
}

#[test]
fn what_is_too_long_for_a_tilejson_document_is_said_without_a_setting_that_no_flag_has() {
    let address = listen(|mut stream| {
        let _asked = head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n");
    });
    let folder = tempfile::tempdir().expect("a directory");
    let url = format!("http://{address}/tiles.json");
    let output = fetch(&url, &folder.path().join("tree"), &[&TOP[..], &["--scheme", "tilejson"]].concat());
    let said = stderr(&output);
    assert_eq!(code(&output), Some(3), "{said}");
    assert!(said.contains("what is there is longer than 8.0 MiB; give the address") && !said.contains('_'), "{said}");
}

#[test]
fn shards_together_fetch_every_tile_once() {
    let mock = mock("");
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("tree");
    let (mut requested, mut revalidated) = (0, 0);
    for shard in ["1/3", "2/3", "3/3"] {
        let output =
            fetch(&mock.url_template(), &path, &["--bbox=-180,-85.06,180,85.06", "--zooms", "0-3", "--shard", shard]);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        requested += json(&output)["metrics"]["requested"].as_u64().expect("a number");
        revalidated += json(&output)["metrics"]["revalidated"].as_u64().expect("a number");
    }
    assert_eq!((requested, revalidated, mock.stats().received), (85, 0, 85));
}

#[test]
fn lists_and_routes_choose_tiles() {
    let mock = mock("");
    let folder = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let list = file("list.txt", "2/1/1 # in no order\n\n0/0/0\n1/1/0\n");
    let output = fetch(&mock.url_template(), &folder.path().join("a"), &["--list", &list]);
    assert_eq!((code(&output), mock.stats().received), (Some(0), 3), "{}", stderr(&output));

    let line = r#"{ "type": "LineString", "coordinates": [[179.5, 1], [-179.5, 1]] }"#;
    let route = file("route.json", line);
    let arguments = ["--route", &route, "--corridor", "2km", "--zooms", "1", "--dry-run", "--sample", "0"];
    let output = fetch(&mock.url_template(), &folder.path().join("b"), &arguments);
    assert_eq!(json(&output)["tiles"], 2, "both sides of the antimeridian: {}", stdout(&output));
}

#[test]
fn a_dry_run_estimates_from_a_few_tiles() {
    let mock = mock("");
    let folder = tempfile::tempdir().expect("a directory");
    let arguments = ["--bbox=-180,-85.06,180,85.06", "--zooms", "0-4", "--dry-run", "--sample", "5"];
    let output = fetch(&mock.url_template(), &folder.path().join("none"), &arguments);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let document = json(&output);
    // One tile at zoom 0, four at zoom 1, five of each other.
    assert_eq!((mock.stats().received, &document["bytes"]["sampled_tiles"]), (20, &20.into()));
    assert_eq!(document["tiles"], 341);
    let [low, likely, high] = ["low", "estimate", "high"].map(|name| document["bytes"][name].as_u64().expect("bytes"));
    assert!(0 < likely && low <= likely && likely <= high, "{document:#}");
    assert!(!folder.path().join("none").exists(), "nothing is written");
}

#[test]
fn what_is_missing_is_named_with_the_fix() {
    for (arguments, parts) in [
        (&["fetch", "--zooms", "0", "--output", "x"][..], ["--bbox W,S,E,N", "--list FILE"]),
        (&["fetch", "--bbox", "1,1,2,2", "--output", "x"], ["--zooms", "0-6"]),
        (&["fetch", "--bbox", "1,1,2,2", "--zooms", "0", "--url-template", "http://a.test"], ["--output", ".mbtiles"]),
        (&["fetch", "--list", "/nowhere/list", "--output", "x"], ["--list=/nowhere/list", "cannot read"]),
        (&["fetch", "--bbox", "1,1,2,2", "--zooms", "0", "--shard", "4/3", "--output", "x"], ["--shard", "4/3"]),
        (&["bench", "--scheme", "wms", "--url-template", "http://a.test/"], ["--layers", "roads,rivers"]),
        (&["bench", "--scheme", "quadkey", "--url-template", "http://a.test/"], ["{quadkey}", "https://host/"]),
        (&["bench", "--scheme", "wms"], ["--scheme", "--url-template"]),
        (&["bench", "--adaptive", "--preset", "ancestor"], ["--adaptive", "bulk or polite"]),
    ] {
        let output = run(arguments);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in {said}");
        }
    }
}

#[test]
fn public_hosts_get_the_polite_preset_and_others_the_bulk_one() {
    let preset = |url: &str, further: &[&str]| {
        let output = run(&[&["fetch", "--print-config", "--url-template", url][..], further].concat());
        stdout(&output).lines().next().and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned)
    };
    assert_eq!(preset("https://tiles.example.org/", &[]).as_deref(), Some("polite"));
    assert_eq!(preset("http://127.0.0.1:8001/", &[]).as_deref(), Some("bulk"));
    assert_eq!(preset("https://tiles.example.org/", &["--preset", "bulk"]).as_deref(), Some("bulk"));
}
