//! What programs are told follows the schema that is published.

use serde_json::Value;

use crate::support::{json, mock, run};

#[path = "../../../lab/schema/check.rs"]
mod check;

fn violations(document: &Value) -> Vec<String> {
    let schema = include_str!("../../../lab/schema/run-report.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    check::violations(&schema, document, &schema, "")
}

#[test]
fn every_kind_of_result_follows_the_published_schema() {
    let mock = mock("503=20%\nseed=3");
    let url = mock.url_template();
    let directory = tempfile::tempdir().expect("a directory");
    let [output, letters, cache] = ["tiles", "letters", "cache"].map(|name| directory.path().join(name));
    let [output, letters, cache] = [&output, &letters, &cache].map(|path| path.to_str().expect("UTF-8"));
    let world = ["fetch", "--bbox=-180,-85,180,85", "--zooms", "0-2", "--output", output, "--dead-letter", letters];
    for arguments in [
        &["bench"][..],
        &["bench", "--cache", cache],
        &["bench", "-n", "40", "--require", "p99<1ms,p50<1us,success>=100%"],
        &["bench", "--rate", "200/s", "--duration", "100ms", "--traffic", "diurnal", "--arrivals", "random"],
        &["bench", "--rate", "500/s", "--duration", "100ms", "-c", "1"],
        &[&world[..], &["--retries", "0"]].concat(),
        &["replay", letters, "--output", output],
    ] {
        let fixed = ["--output-format", "json", "--url-template", &url, "--seed", "5"];
        let document = json(&run(&[arguments, &fixed[..]].concat()));
        let found = violations(&document);
        assert!(found.is_empty(), "{arguments:?}: {found:#?}\n{document:#}");
    }
}

#[test]
fn the_schema_notices_what_is_missing_and_what_is_added() {
    let good = json(&run(&["bench", "-n", "1", "--output-format", "json"]));
    assert_eq!(violations(&good), [""; 0]);
    for name in good.as_object().expect("an object").keys() {
        let mut document = good.clone();
        document.as_object_mut().expect("an object").remove(name);
        assert_eq!(violations(&document), [format!(": no {name}")]);
    }
    let mut document = good.clone();
    document["metrics"]["wishes"] = 3.into();
    assert_eq!(violations(&document), ["/metrics: wishes is not in the schema"]);
}
