//! The servers of OpenStreetMap are not for bulk work: every command, every spelling, every way there.

use std::{fs, io::Write};

use crate::support::{code, head, listen, run, stderr, tidegate};

/// A server that sends everybody on to the servers of OpenStreetMap.
fn signpost() -> String {
    let addr = listen(|mut stream| {
        while head(&mut stream).is_some() {
            let _ = stream.write_all(
                b"HTTP/1.1 302 Found\r\nLocation: https://TILE.openstreetmap.org./0/0/0.png\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    format!("http://{addr}/{{z}}/{{x}}/{{y}}.png")
}

#[test]
fn every_command_refuses_every_spelling_with_the_reason_and_the_alternative() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (tiles, letters) = (path("tiles"), path("letters"));
    fs::write(&letters, "").expect("a file");
    let area = ["fetch", "--bbox", "-1,-1,1,1", "--zooms", "0", "--output", &tiles];
    let commands: [&[&str]; 6] = [
        &["bench"],
        &["bench", "--rate", "1/s", "--duration", "1s"],
        &["sweep"],
        &area,
        &["fetch", "--bbox", "-1,-1,1,1", "--zooms", "0", "--dry-run"],
        &["replay", &letters, "--output", &tiles],
    ];
    let plain = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
    for command in commands {
        let output = run(&[command, &["--url-template", plain]].concat());
        let said = stderr(&output);
        assert_eq!(code(&output), Some(6), "{command:?}: {said}");
        assert!(said.contains("usage policy forbids") && said.contains("Instead: "), "{command:?}: {said}");
    }
    for url in [
        "http://tile.openstreetmap.org/{z}/{x}/{y}.png",
        "https://{s}.tile.openstreetmap.org/{z}/{x}/{y}.png",
        "https://TILE.OpenStreetMap.org.:443/{z}/{x}/{y}.png",
        "https://anna@b.tile.openstreetmap.org/{z}/{x}/{y}.png",
        "https://{switch:tiles.example.org,tile.openstreetmap.org}/{z}/{x}/{y}.png",
        "https://tile.openstreetmap.org",
    ] {
        let output = run(&[&area[..], &["--url-template", url]].concat());
        assert_eq!(code(&output), Some(6), "{url}: {}", stderr(&output));
    }
    assert!(!directory.path().join("tiles").exists(), "nothing was begun");
}

#[test]
fn neither_the_environment_nor_a_scheme_nor_a_rule_for_the_host_is_a_way_around() {
    let url = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
    let directory = tempfile::tempdir().expect("a directory");
    let rules = directory.path().join("rules.toml");
    fs::write(&rules, "[hosts.\"tile.openstreetmap.org\"]\npreset = \"polite\"\nrate = \"1/m\"\n").expect("a file");
    let by_rule = run(&["--config", rules.to_str().expect("UTF-8"), "--url-template", url]);
    let by_environment = tidegate(&[]).env("TILE_BASE_URL", url).output().expect("the command starts");
    let by_scheme = run(&["--scheme", "tms", "--url-template", url]);
    let by_wms = run(&["--scheme", "wms", "--layers", "x", "--url-template", "https://wms.openstreetmap.org/?"]);
    let by_document = run(&["--scheme", "tilejson", "--url-template", "https://tile.openstreetmap.org/tiles.json"]);
    for output in [by_rule, by_environment, by_scheme, by_wms, by_document] {
        assert_eq!(code(&output), Some(6), "{}", stderr(&output));
    }
}

#[test]
fn a_tilejson_document_that_names_them_is_no_way_around() {
    let addr = listen(|mut stream| {
        while head(&mut stream).is_some() {
            let body = r#"{"tilejson":"3.0.0","tiles":["https://tile.openstreetmap.org/{z}/{x}/{y}.png"]}"#;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let output = run(&["--scheme", "tilejson", "--url-template", &format!("http://{addr}/tiles.json")]);
    assert_eq!(code(&output), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("usage policy forbids"), "{}", stderr(&output));
}

#[test]
fn a_redirect_is_no_way_around_and_ends_the_run_soon() {
    let directory = tempfile::tempdir().expect("a directory");
    let tiles = directory.path().join("tiles");
    let url = signpost();
    let area = ["fetch", "--bbox", "-180,-85,180,85", "--zooms", "0-3", "--output", tiles.to_str().expect("UTF-8")];
    let fetch = run(&[&area[..], &["--url-template", &url]].concat());
    let document = run(&["--scheme", "tilejson", "--url-template", &url.replace("/{z}/{x}/{y}.png", "/tiles.json")]);
    for output in [fetch, document] {
        let said = stderr(&output);
        assert_eq!(code(&output), Some(6), "{said}");
        assert!(said.contains("redirect leads to") && said.contains("usage policy forbids"), "{said}");
    }
}

#[test]
fn a_mirror_that_redirects_there_is_left_for_the_others() {
    let other = crate::support::mock("");
    let url = other.url_template();
    let output = run(&["-n", "30", "--preset", "bulk", "--url-template", &signpost(), "--mirror", &url]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}
