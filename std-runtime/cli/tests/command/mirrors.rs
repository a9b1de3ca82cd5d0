//! Several sources, one of them out of order.

use crate::support::{code, json, mock, run, settled, stderr};

#[test]
fn a_source_that_fails_costs_no_tile_while_its_mirror_works() {
    let (sick, well) = (mock("503=100%"), mock(""));
    let (first, second) = (sick.url_template(), well.url_template());
    let output = run(&[
        ["bench", "-n", "300", "--preset", "bulk", "--seed", "3", "--output-format", "json"].as_slice(),
        &["--url-template", &first, "--mirror", &second],
    ]
    .concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let metrics = &json(&output)["metrics"];
    assert_eq!((&metrics["requested"], &metrics["failed"]), (&300.into(), &0.into()));
    let (sick, well) = (settled(&sick).received, settled(&well).received);
    assert_eq!(metrics["attempts"], sick + well, "every request is in the books");
    assert_eq!(well, 300);
    assert!((1..100).contains(&sick), "{sick} asked in vain");
}

#[test]
fn a_source_that_is_gone_costs_no_tile_while_its_mirror_works() {
    let well = mock("");
    let gone = mock("").url_template();
    let output =
        run(&["bench", "-n", "50", "--preset", "bulk", "--url-template", &gone, "--mirror", &well.url_template()]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(settled(&well).received, 50);
}

#[test]
fn mirrors_are_checked_before_anything_is_asked() {
    let server = mock("");
    let url = server.url_template();
    for (arguments, exit, says) in [
        (vec!["--mirror", &url], 2, "--url-template"),
        (vec!["--url-template", &url, "--mirror", "ftp://tiles.test"], 2, "--mirror: "),
        (vec!["--url-template", &url, "--mirror", "https://tile.openstreetmap.org"], 6, "usage policy"),
    ] {
        let output = run(&arguments);
        assert_eq!(code(&output), Some(exit), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    assert_eq!(server.stats().received, 0);
}
