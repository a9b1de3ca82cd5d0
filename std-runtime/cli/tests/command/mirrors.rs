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

#[test]
fn a_source_with_slow_answers_is_hedged_and_both_servers_count_what_we_count() {
    // Quick, but for one request in fifty that is never answered.
    let (slow, quick) = (mock("hang=2%\n seed=3"), mock(""));
    let (first, second) = (slow.url_template(), quick.url_template());
    let output = run(&[
        ["bench", "-n", "400", "-c", "4", "--timeout", "2", "--seed", "3", "--output-format", "json", "--hedge"]
            .as_slice(),
        &["--url-template", &first, "--mirror", &second],
    ]
    .concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let report = json(&output);
    let (slow, quick) = (settled(&slow).received, settled(&quick).received);
    let hedges = &report["hedges"];
    let count = |value: &serde_json::Value| value.as_u64().expect("a number");
    let (attempts, made, won) = (count(&report["metrics"]["attempts"]), count(&hedges["made"]), count(&hedges["won"]));
    assert!(won >= 1, "{hedges}");
    // A hedge may be overtaken before it has left this machine; nothing else is counted here and not there.
    let unseen = attempts.checked_sub(slow + quick).expect("every request is in the books");
    assert!(unseen <= made - won, "{unseen} of {made} hedges, {won} of which were answered");
}

#[test]
fn a_hedge_wants_a_second_source() {
    let output = run(&["bench", "--hedge"]);
    assert_eq!((code(&output), stderr(&output).contains("--mirror <URL>")), (Some(2), true), "{}", stderr(&output));
}
