//! The picture: what is drawn, and the file that it goes to.
//!
//! A slip in the name must not cost anybody a scenario, so only names that end in `.svg` are taken, never one of the
//! scenarios by whatever name, and what stood there stays until the new picture is whole.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tidegate_lab::sim::timeline;

use super::Played;
use crate::exit::Fatal;

/// Refuses a file for the picture that is meant for something else.
pub(super) fn check(picture: &Path, scenarios: &[&Path]) -> Result<(), Fatal> {
    let refused = |why: &str| Err(Fatal::usage(format!("--timeline={}: {why}", picture.display())));
    if !picture.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
        return refused("a picture is an SVG; give a file that ends in .svg");
    }
    match scenarios.iter().find(|scenario| are_same(picture, scenario)) {
        Some(scenario) => refused(&format!("that is the scenario {}; give another file", scenario.display())),
        None => Ok(()),
    }
}

/// Writes the picture in one step: whenever the process ends, the whole of the old or of the new one is there.
pub(super) fn write(path: &Path, played: &[Played]) -> Result<(), Fatal> {
    replace(path, &draw(played)).map_err(|error| {
        Fatal::local(format!("--timeline={}: {error}; give a file that can be written", path.display()))
    })
}

fn draw(played: &[Played]) -> String {
    let title = match played {
        [one] if one.title.is_empty() => one.name.clone(),
        [one] => one.title.clone(),
        several => several.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" · "),
    };
    let runs: Vec<_> = played.iter().map(|one| (one.name.as_str(), &one.world, &one.report)).collect();
    timeline(&title, &runs).to_svg()
}

fn replace(path: &Path, svg: &str) -> io::Result<()> {
    // Where it is a link, what it leads to is replaced and not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = beside(&path);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let written = file.write_all(svg.as_bytes()).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // It is this run's own; if even that fails it is in nobody's way.
        let _ = fs::remove_file(&new);
    }
    written
}

/// A name of its own for each process.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    name.into()
}

/// Whether both names lead to one file, through links or by another spelling.
fn are_same(one: &Path, other: &Path) -> bool {
    let leads_to = |path| fs::canonicalize(path).ok();
    match (leads_to(one), leads_to(other)) {
        (Some(one), Some(other)) => one == other || are_hard_links(&one, &other),
        _ => false,
    }
}

#[cfg(unix)]
fn are_hard_links(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let which = |path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    which(one).is_some_and(|one| Some(one) == which(other))
}

#[cfg(not(unix))]
fn are_hard_links(_: &Path, _: &Path) -> bool {
    false
}
