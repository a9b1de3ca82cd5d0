use std::path::Path;

use super::*;

fn below_the_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(path)
}

fn public() -> BTreeMap<Name, PathBuf> {
    let mut public = public_functions(&below_the_repository("core/src"));
    public.extend(public_functions(&below_the_repository("examples/firmware/tile-http/src")));
    public
}

fn proven() -> BTreeSet<Name> {
    proven_functions(&below_the_repository("tests/panic-proof/proof/src"))
}

fn excluded() -> BTreeSet<Name> {
    EXCLUDED.iter().map(|&(name, _)| name.to_owned()).collect()
}

#[test]
fn every_public_function_is_proven_or_excluded() {
    let (proven, excluded) = (proven(), excluded());
    let missing: Vec<String> = public()
        .iter()
        .filter(|(name, _)| !proven.contains(*name) && !excluded.contains(*name))
        .map(|(name, path)| format!("{name} in {}", path.display()))
        .collect();
    assert!(
        missing.is_empty(),
        "export a call of each from tests/panic-proof/proof, or exclude it with a reason:\n{}",
        missing.join("\n")
    );
}

#[test]
fn nothing_is_excluded_that_is_proven_or_that_does_not_exist() {
    let (public, proven) = (public(), proven());
    for name in excluded() {
        assert!(public.contains_key(&name), "{name} is excluded and does not exist: drop the row");
        assert!(!proven.contains(&name), "{name} is excluded and proven: drop the row");
    }
}

#[test]
fn the_collectors_find_what_they_look_for() {
    let source = "
        pub fn free() {}
        impl Gate { pub const fn poll(&mut self) {} pub(crate) fn hidden(&self) {} }
        impl<W> Window for Ring<W> { fn record(&mut self) {} }
        impl core::fmt::Display for Gate { fn fmt(&self) {} }
        #[cfg(test)] mod tests { pub fn ignored() {} }
    ";
    let mut public = Public { module: "file".to_owned(), names: BTreeSet::new() };
    public.visit_file(&syn::parse_file(source).expect("valid Rust"));
    assert_eq!(public.names.into_iter().collect::<Vec<_>>(), ["Gate::poll", "Ring::record", "file::free"]);

    let source = "
        #[unsafe(no_mangle)] pub fn proven_a(gate: &mut Gate) { Gate::poll(gate); gate.settle(); run(|g| Gate::look(g)) }
        #[unsafe(no_mangle)] pub fn other(gate: &mut Gate) { Gate::forgotten(gate) }
        fn proven_b(gate: &mut Gate) { Gate::not_exported(gate) }
    ";
    let mut proven = Proven { names: BTreeSet::new(), exported: false };
    proven.visit_file(&syn::parse_file(source).expect("valid Rust"));
    assert_eq!(proven.names.into_iter().collect::<Vec<_>>(), ["Gate::look", "Gate::poll"]);
}
