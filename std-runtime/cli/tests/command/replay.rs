//! Tiles that were given up are noted, and tried again until none is left.

use std::{fs, path::Path, process::Output};

use tidegate_lab::mock::Mock;

use crate::{
    archives::tiles,
    support::{code, json, mock, run, settled, stderr, tidegate},
};

struct Paths {
    folder: tempfile::TempDir,
    archive: String,
    letters: String,
}

impl Paths {
    fn new(archive: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        Self { archive: path(archive), letters: path("dead.ndjson"), folder }
    }

    fn fetch(&self, mock: &Mock) -> Output {
        let (url, Self { archive, letters, .. }) = (mock.url_template(), self);
        let area = ["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-2", "--output", archive];
        run(&[&area[..], &["--url-template", &url, "--retries", "0", "--dead-letter", letters]].concat())
    }

    fn replay(&self, mock: &Mock) -> Output {
        let (url, Self { archive, letters, .. }) = (mock.url_template(), self);
        let replay = ["replay", letters, "--output", archive, "--url-template", &url];
        run(&[&replay[..], &["--retries", "0", "--output-format", "json"]].concat())
    }

    fn letters(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&self.letters).expect("the file is there");
        text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
    }
}

fn set(mock: &Mock, rules: &str) {
    mock.set_faults(rules.parse().expect("rules")).expect("valid");
    mock.reset();
}

#[test]
fn replayed_until_nothing_is_left_the_archive_is_whole() {
    for name in ["tree", "world.mbtiles", "world.pmtiles"] {
        let (mock, paths) = (mock("1/0/0=500\n 2/1/1=reset"), Paths::new(name));
        let output = paths.fetch(&mock);
        assert_eq!(code(&output), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("2 tiles were given up; `tidegate replay "), "{}", stderr(&output));
        let letters = paths.letters();
        assert_eq!(letters.len(), 2, "{letters:?}");
        let letter = letters.iter().find(|letter| letter["z"] == 1).expect("that of zoom 1");
        assert_eq!((&letter["class"], &letter["last_status"]), (&"status 500".into(), &500.into()));
        assert_eq!((&letter["x"], &letter["y"], &letter["attempts"]), (&0.into(), &0.into(), &1.into()));

        // One of them works by now.
        set(&mock, "1/0/0=500");
        let first = paths.replay(&mock);
        assert_eq!(code(&first), Some(1), "{}", stderr(&first));
        assert_eq!(settled(&mock).received, 2, "exactly those");
        assert_eq!(paths.letters().len(), 1);

        set(&mock, "");
        let second = paths.replay(&mock);
        assert_eq!(code(&second), Some(0), "{}", stderr(&second));
        assert_eq!((settled(&mock).received, paths.letters().len()), (1, 0));

        let whole = Paths::new(name);
        assert_eq!(code(&whole.fetch(&mock)), Some(0));
        assert!(tiles(Path::new(&paths.archive)) == tiles(Path::new(&whole.archive)), "{name}");
        drop((paths.folder, whole.folder));
    }
}

#[cfg(unix)]
#[test]
fn letters_can_be_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (mock, paths) = (mock("0/0/0=500"), Paths::new("tree"));
    assert_eq!(code(&paths.fetch(&mock)), Some(1));
    let mode = fs::metadata(&paths.letters).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_tile_that_has_come_in_the_meantime_is_not_asked_for() {
    let (mock, paths) = (mock("1/0/0=500"), Paths::new("tree"));
    assert_eq!(code(&paths.fetch(&mock)), Some(1));
    set(&mock, "");
    assert_eq!(code(&paths.fetch(&mock)), Some(0));
    mock.reset();
    let replayed = paths.replay(&mock);
    assert_eq!((code(&replayed), mock.stats().received), (Some(0), 0));
    assert_eq!(json(&replayed)["metrics"]["revalidated"], 1);
    assert!(paths.letters().is_empty());
}

#[test]
fn a_tile_that_the_server_wants_left_alone_is_left_alone() {
    let (mock, paths) = (mock(""), Paths::new("tree"));
    // Until 2100.
    let letter = r#"{"z":1,"x":0,"y":0,"class":"status 429","attempts":1,"last_status":429,
        "not_before_unix_s":4102444800,"at_unix_s":1,"correlation":"c"}"#;
    fs::write(&paths.letters, letter.replace('\n', "") + "\n").expect("a file");
    let replayed = paths.replay(&mock);
    assert_eq!((code(&replayed), mock.stats().received), (Some(5), 0), "{}", stderr(&replayed));
    assert!(stderr(&replayed).contains("asked to leave 1 tiles alone"), "{}", stderr(&replayed));
    assert_eq!(paths.letters().len(), 1, "it stays for later");
}

#[test]
fn a_pause_that_the_server_asked_for_stands_in_the_letter_whatever_status_came_with_it() {
    for (rules, is_asked) in [("503:600=100%", true), ("429:600=100%", true), ("503=100%", false), ("500=100%", false)]
    {
        let (mock, paths) = (mock(rules), Paths::new("tree"));
        let flags = ["fetch", "--bbox=0,0,0,0", "--zooms", "0", "--retries", "0", "--output", &paths.archive];
        run(&[&flags[..], &["--url-template", &mock.url_template(), "--dead-letter", &paths.letters]].concat());
        let letters = paths.letters();
        let letter = letters.first().expect("one tile was given up");
        let wait = letter["not_before_unix_s"].as_u64().map(|at| at - letter["at_unix_s"].as_u64().expect("a time"));
        // Never before what was asked for, and jitter on top.
        let expected = if is_asked { 598..=900 } else { 0..=0 };
        assert!(expected.contains(&wait.unwrap_or(0)), "{rules}: {letter}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(&["replay", "/nowhere/dead.ndjson", "--output", "x", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("/nowhere/dead.ndjson") && stderr(&output).contains("--dead-letter"));
}

#[test]
fn a_file_that_is_somebody_elses_is_refused_and_left_as_it_is() {
    let (mock, paths) = (mock("0/0/0=500"), Paths::new("tree"));
    let archive = paths.folder.path().join("own.mbtiles");
    let output = archive.to_str().expect("UTF-8");
    assert_eq!(code(&Paths { archive: output.to_owned(), ..Paths::new("") }.fetch(&mock)), Some(1));
    let notes = paths.folder.path().join("notes.md");
    fs::write(&notes, "# Notes\n\nThat nobody else has.\n").expect("a file");
    let letters = paths.folder.path().join("half.ndjson");
    fs::write(&letters, "{\"z\":1,\"x\":0,\"class\":\"timeout\"}\n").expect("a file");
    let given = mock.stats().received;
    for foreign in [archive, notes, letters] {
        let before = (fs::read(&foreign).expect("it is there"), fs::metadata(&foreign).expect("so").permissions());
        let paths = Paths { letters: foreign.to_str().expect("UTF-8").to_owned(), ..Paths::new("tree") };
        for (refused, name) in [(paths.fetch(&mock), "--dead-letter: "), (paths.replay(&mock), "replay FILE: ")] {
            let said = stderr(&refused);
            assert_eq!(code(&refused), Some(2), "{said}");
            assert!(said.contains(name) && said.contains(&paths.letters), "{said}");
            assert!(said.contains("line 1 ") && said.contains("name a file that --dead-letter wrote"), "{said}");
        }
        let after = (fs::read(&foreign).expect("still"), fs::metadata(&foreign).expect("so").permissions());
        assert!(before == after, "{} changed", paths.letters);
        assert_eq!(fs::read_dir(paths.folder.path()).expect("a folder").count(), 0, "no archive was begun");
    }
    assert_eq!(mock.stats().received, given, "what cannot be kept is not fetched");
}

#[test]
fn letters_and_archive_cannot_be_one_file_under_any_name() {
    let (mock, paths) = (mock("0/0/0=500"), Paths::new("world.mbtiles"));
    let roundabout = paths.folder.path().join(".").join("world.mbtiles").to_str().expect("UTF-8").to_owned();
    for letters in [paths.archive.clone(), roundabout] {
        let paths =
            Paths { letters, archive: paths.archive.clone(), folder: tempfile::tempdir().expect("a directory") };
        for refused in [paths.fetch(&mock), paths.replay(&mock)] {
            assert_eq!(code(&refused), Some(2), "{}", stderr(&refused));
            assert!(stderr(&refused).contains("--output") && stderr(&refused).contains("of its own"));
        }
        assert!(!Path::new(&paths.archive).exists(), "nothing is written");
    }
}

#[test]
fn of_a_letter_that_was_cut_off_a_replay_says_so_and_is_not_complete() {
    let (mock, paths) = (mock("1/0/0=500\n 2/1/1=reset"), Paths::new("tree"));
    assert_eq!(code(&paths.fetch(&mock)), Some(1));
    let text = fs::read_to_string(&paths.letters).expect("the file");
    fs::write(&paths.letters, &text[..text.len() - 20]).expect("half a letter");
    set(&mock, "");
    let replayed = paths.replay(&mock);
    let said = stderr(&replayed);
    assert_eq!((code(&replayed), settled(&mock).received), (Some(1), 1), "{said}");
    assert!(said.contains("had been cut off") && said.contains("fetch the area again"), "{said}");

    fs::write(&paths.letters, "").expect("an empty file");
    assert_eq!(code(&paths.replay(&mock)), Some(0), "is a file without letters");
}

#[test]
fn without_a_source_nothing_is_fetched_and_no_letter_is_lost() {
    let (mock, paths) = (mock("0/0/0=500"), Paths::new("world.mbtiles"));
    assert_eq!(code(&paths.fetch(&mock)), Some(1));
    let (before, held) = (fs::read(&paths.letters).expect("the file"), tiles(Path::new(&paths.archive)));
    let replay = ["replay", &paths.letters, "--output", &paths.archive];
    let fetch = ["fetch", "--bbox=-1,-1,1,1", "--zooms", "0-1", "--output", &paths.archive];
    let sampled = ["fetch", "--bbox=-1,-1,1,1", "--zooms", "0-1", "--dry-run"];
    for arguments in [&replay[..], &fetch, &sampled] {
        let unset = run(arguments);
        let set_to_nothing = tidegate(arguments).env("TILE_BASE_URL", "").output().expect("the command starts");
        for refused in [unset, set_to_nothing] {
            let said = stderr(&refused);
            assert_eq!(code(&refused), Some(2), "{said}");
            assert!(said.contains("--url-template") && said.contains("TILE_BASE_URL"), "{said}");
        }
    }
    assert!(fs::read(&paths.letters).expect("still") == before);
    assert!(tiles(Path::new(&paths.archive)) == held, "nothing came in");
    let counted = run(&[&sampled[..], &["--sample", "0"]].concat());
    assert_eq!(code(&counted), Some(0), "to count asks nobody: {}", stderr(&counted));
}

/// The words of the command that a message puts between backticks, as a shell would read them.
fn advised(said: &str) -> Vec<String> {
    let command = said.split('`').nth(1).unwrap_or_else(|| panic!("no command in {said}"));
    let words = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {command}")]).output();
    let words = String::from_utf8(words.expect("a shell").stdout).expect("UTF-8");
    words.lines().skip(1).map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn the_command_that_a_fetch_advises_works_as_it_stands() {
    let (mock, folder) = (mock("1/0/0=500"), tempfile::tempdir().expect("a directory"));
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (archive, letters) = (path("it's the world"), path("dead letters"));
    let area = ["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-1", "--output", &archive, "--retries", "0"];
    let further = ["--format", "mbtiles", "--dead-letter", &letters, "--scheme", "tms"];
    let with_url = ["--url-template", &mock.url_template()];
    for (flags, variable) in [(&with_url[..], ""), (&[], &*mock.url_template())] {
        set(&mock, "1/0/0=500");
        let arguments = [&area[..], &further, flags].concat();
        let fetched = tidegate(&arguments).env("TILE_BASE_URL", variable).output().expect("the command starts");
        assert_eq!(code(&fetched), Some(1), "{}", stderr(&fetched));
        set(&mock, "");
        let advised = advised(&stderr(&fetched));
        let replayed = run(&advised.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((code(&replayed), settled(&mock).received), (Some(0), 1), "{advised:?}: {}", stderr(&replayed));
        assert_eq!(tiles(Path::new(&archive)).len(), 5);
        fs::remove_file(&archive).expect("it is there");
    }
}

#[test]
fn what_a_fetch_advises_tells_no_secret() {
    let (mock, paths) = (mock("0/0/0=500"), Paths::new("tree"));
    let secret = format!("http://{}/{{z}}/{{x}}/{{y}}.png?key=canary", mock.addr());
    let area = ["fetch", "--bbox=0,0,0,0", "--zooms", "0", "--retries", "0", "--output", &paths.archive];
    let further = ["--dead-letter", &paths.letters, "--header", "X-Key: canary", "--url-template", &secret];
    let said = stderr(&run(&[&area[..], &further].concat()));
    assert!(said.contains("--url-template … --header …` tries them again") && !said.contains("canary"), "{said}");
}
