//! Notices a public function that is neither proven free of panics nor excluded for a reason.
//!
//! Both lists are read off the sources: the public functions of the core and of the parsers, and the functions that the
//! proof's exports call as `Type::function`. What is excluded stands in [`EXCLUDED`], with its reason.
//!
//! A function that only a derive writes is not seen. Derived comparisons, copies and hashes hold nothing that can panic;
//! derived `Debug` and `Format` are excluded like those written by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, ExprPath, File, ImplItem, Item, ItemFn, ItemImpl, Type, Visibility,
    visit::{self, Visit},
};

mod excluded;

pub use excluded::{EXCLUDED, EXCLUDED_TRAITS};

/// A function as `Type::function`, or as `module::function` where it belongs to no type. The module is the one right
/// below the crate: what is further down is private, and re-exported there.
pub type Name = String;

/// The public functions in the sources below `folder`, each with the file it stands in. Tests are passed over.
pub fn public_functions(folder: &Path) -> BTreeMap<Name, PathBuf> {
    let mut found = BTreeMap::new();
    for path in sources(folder) {
        let below = path.strip_prefix(folder).expect("found below the folder").with_extension("");
        let module = below.iter().next().expect("a file has a name").to_string_lossy().into_owned();
        let mut collector = Public { module, names: BTreeSet::new() };
        collector.visit_file(&parsed(&path));
        found.extend(collector.names.into_iter().map(|name| (name, path.clone())));
    }
    found
}

/// The functions that exported functions in the sources below `folder` call by their full name.
pub fn proven_functions(folder: &Path) -> BTreeSet<Name> {
    let mut collector = Proven { names: BTreeSet::new(), exported: false };
    sources(folder).iter().for_each(|path| collector.visit_file(&parsed(path)));
    collector.names
}

/// The Rust files below `folder`, without files and folders of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn parsed(path: &Path) -> File {
    let text = fs::read_to_string(path).expect("a readable source");
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Public {
    module: String,
    names: BTreeSet<Name>,
}

impl<'ast> Visit<'ast> for Public {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if is_test(&module.attrs) => {}
            Item::Fn(function) if is_public(&function.vis) => {
                self.names.insert(format!("{}::{}", self.module, function.sig.ident));
            }
            Item::Impl(block) => self.implementation(block),
            _ => visit::visit_item(self, item),
        }
    }
}

impl Public {
    fn implementation(&mut self, block: &ItemImpl) {
        let of_trait = block.trait_.as_ref().and_then(|(path, _)| path.segments.last()).map(|last| &last.ident);
        if of_trait.is_some_and(|name| EXCLUDED_TRAITS.iter().any(|(excluded, _)| name == excluded)) {
            return;
        }
        let Some(owner) = type_name(&block.self_ty) else { return };
        for item in &block.items {
            let ImplItem::Fn(function) = item else { continue };
            // The functions of a trait are as public as the trait.
            if of_trait.is_some() || is_public(&function.vis) {
                self.names.insert(format!("{owner}::{}", function.sig.ident));
            }
        }
    }
}

struct Proven {
    names: BTreeSet<Name>,
    exported: bool,
}

impl<'ast> Visit<'ast> for Proven {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let exported = function.attrs.iter().any(|attribute| names(attribute, "no_mangle"));
        self.exported = exported && function.sig.ident.to_string().starts_with("proven_");
        visit::visit_item_fn(self, function);
        self.exported = false;
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if let Expr::Path(ExprPath { path, .. }) = expression
            && self.exported
            && path.segments.len() >= 2
        {
            let [.., owner, function] = path.segments.iter().collect::<Vec<_>>()[..] else { return };
            self.names.insert(format!("{}::{}", owner.ident, function.ident));
        }
        visit::visit_expr(self, expression);
    }
}

fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") && names(attribute, "test"))
}

/// Whether an attribute mentions `word`, as in `cfg(test)` or `unsafe(no_mangle)`.
fn names(attribute: &Attribute, word: &str) -> bool {
    let mut found = attribute.path().is_ident(word);
    if let syn::Meta::List(list) = &attribute.meta {
        let tokens = list.tokens.to_string();
        found |= tokens.split(|c: char| !c.is_alphanumeric() && c != '_').any(|token| token == word);
    }
    found
}

#[cfg(test)]
mod tests;
