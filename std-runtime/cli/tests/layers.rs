//! Who may depend on whom, read from cargo's own account of the workspace.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// The packages of the workspace, as cargo resolves them.
fn packages() -> Vec<Value> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("a list of packages").clone()
}

fn named<'a>(packages: &'a [Value], name: &str) -> &'a Value {
    packages.iter().find(|package| package["name"] == name).unwrap_or_else(|| panic!("there is no package {name}"))
}

/// What a package is built with; what only its tests need may point anywhere below.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"].as_array().expect("a list").iter().filter(|dependency| dependency["kind"] != "dev")
}

fn names(package: &Value) -> BTreeSet<&str> {
    dependencies(package).map(|dependency| dependency["name"].as_str().expect("a name")).collect()
}

#[test]
fn dependencies_run_one_way() {
    let packages = packages();
    let allowed: [(&str, &[&str]); 5] = [
        ("tidegate-core", &[]),
        ("tidegate", &["tidegate-core"]),
        ("tidegate-store", &["tidegate-core", "tidegate"]),
        ("tidegate-lab", &["tidegate-core", "tidegate"]),
        ("tidegate-cli", &["tidegate-core", "tidegate", "tidegate-store", "tidegate-lab"]),
    ];
    for (package, below) in allowed {
        for name in names(named(&packages, package)).iter().filter(|name| name.starts_with("tidegate")) {
            assert!(below.contains(name), "{package} must not depend on {name}");
        }
    }
}

#[test]
fn the_core_takes_nothing_that_a_microcontroller_has_no_place_for() {
    let packages = packages();
    let core = named(&packages, "tidegate-core");
    for dependency in dependencies(core) {
        let name = dependency["name"].as_str().expect("a name");
        assert!(["heapless", "defmt", "embassy-time"].contains(&name), "tidegate-core must not depend on {name}");
        assert!(name == "heapless" || dependency["optional"] == true, "{name} has to be optional");
    }
}

/// On a host the symbols of defmt and embassy-time do not link.
#[test]
fn nobody_here_enables_the_device_features_of_the_core() {
    let packages = packages();
    let core = named(&packages, "tidegate-core");
    let default = core["features"]["default"].as_array().cloned().unwrap_or_default();
    assert!(default.is_empty(), "tidegate-core has default features: {default:?}");
    for package in &packages {
        let every = package["dependencies"].as_array().expect("a list");
        for dependency in every.iter().filter(|dependency| dependency["name"] == "tidegate-core") {
            for feature in dependency["features"].as_array().expect("a list") {
                let device = feature == "defmt" || feature == "embassy-time";
                assert!(!device, "{} enables {feature} of tidegate-core", package["name"]);
            }
        }
    }
}
