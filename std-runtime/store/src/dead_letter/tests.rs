use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn letter(x: u32, seconds: u64) -> DeadLetter {
    DeadLetter {
        tile: TileId::new(5, x, 9).unwrap(),
        class: "timeout".to_owned(),
        attempts: 9,
        last_status: Some(503),
        not_before: Some(at(seconds + 60)),
        at: at(seconds),
        correlation: format!("run-{x}"),
    }
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.ndjson");
    (folder, path)
}

fn open(path: &Path, now: u64) -> DeadLetters {
    DeadLetters::open(path, Limits::DEFAULT, at(now)).unwrap()
}

fn read(path: &Path) -> Vec<DeadLetter> {
    let mut letters = Letters::open(path).unwrap();
    std::iter::from_fn(|| letters.next().unwrap()).collect()
}

#[test]
fn letters_come_back_as_they_were_and_runs_append() {
    let (_folder, path) = file();
    open(&path, 0).add(&letter(1, 10)).unwrap();
    let bare = DeadLetter { last_status: None, not_before: None, ..letter(2, 11) };
    open(&path, 0).add(&bare).unwrap();
    assert_eq!(read(&path), [letter(1, 10), bare]);
    let text = fs::read_to_string(&path).unwrap();
    let first = r#"{"z":5,"x":1,"y":9,"class":"timeout","attempts":9,"last_status":503,"not_before_unix_s":70,"at_unix_s":10,"correlation":"run-1"}"#;
    assert_eq!(text.lines().next(), Some(first));
}

#[test]
fn wherever_the_last_line_is_cut_the_others_stay_and_appending_goes_on() {
    let (_folder, path) = file();
    let mut letters = open(&path, 0);
    letters.add(&letter(1, 10)).unwrap();
    let first = fs::read(&path).unwrap().len();
    letters.add(&letter(2, 11)).unwrap();
    drop(letters);
    let whole = fs::read(&path).unwrap();
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut letters = open(&path, 0);
        assert_eq!(letters.dropped().torn, u64::from(cut > first), "cut at {cut}");
        letters.add(&letter(3, 12)).unwrap();
        drop(letters);
        assert_eq!(read(&path), [letter(1, 10), letter(3, 12)], "cut at {cut}");
    }
}

/// The bytes of one letter.
fn line() -> Vec<u8> {
    letter(1, 10).to_line().unwrap()
}

/// That neither of the two ways to open the file at `path` is open to it, and that it stays as it was.
fn assert_left_alone(path: &Path, content: &[u8], number: u64) {
    fs::write(path, content).unwrap();
    let before = fs::metadata(path).unwrap().permissions();
    let opened = DeadLetters::open(path, Limits::DEFAULT, at(40 * 24 * 3600)).map(drop);
    for refused in [opened, Replay::open(path).map(drop)] {
        let text = String::from_utf8_lossy(content);
        assert!(
            matches!(refused, Err(DeadLetterError::NoLetter { line, .. }) if line == number),
            "{refused:?}: {text}"
        );
    }
    assert!(fs::read(path).unwrap() == content);
    assert_eq!(fs::metadata(path).unwrap().permissions(), before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing lies beside it");
}

#[test]
fn a_file_that_is_not_made_of_letters_is_left_alone() {
    let (_folder, path) = file();
    let foreign: [&[u8]; 8] = [
        b"# Notes\n\nSomebody's own.\n",
        b"notes without an end",
        b"SQLite format 3\0 and more",
        b"{\"type\":\"FeatureCollection\"}",
        b"{\"z\":1,\"x\":0,\"y\":0}",
        b"3/4/5\n3/4/6\n",
        b"\n",
        &[0; 9000],
    ];
    for content in foreign {
        assert_left_alone(&path, content, 1);
    }
}

#[test]
fn a_letter_that_is_damaged_is_named_by_its_line_and_nothing_is_dropped() {
    let (_folder, path) = file();
    let beyond_the_world = String::from_utf8(line()).unwrap().replace("\"x\":1", "\"x\":99").into_bytes();
    let (whole, half) = (line(), line()[..30].to_vec());
    let glued = [&half[..], &whole].concat();
    for damaged in [&b"nonsense\n"[..], &beyond_the_world, &glued, &b"9".repeat(5000)] {
        assert_left_alone(&path, &[&whole, damaged, &whole].concat(), 2);
        assert_left_alone(&path, &[&whole, damaged].concat(), 2);
    }
}

#[test]
fn of_a_last_letter_that_was_cut_a_replay_says_that_there_was_one() {
    let (_folder, path) = file();
    let whole = line();
    for cut in 0..whole.len() {
        fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
        assert_eq!(Replay::open(&path).unwrap().0.is_torn(), cut > 0, "cut at {cut}");
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(Replay::open(&path).unwrap().0.is_torn(), cut > 0, "the only one, cut at {cut}");
    }
}

#[test]
fn what_is_no_file_or_read_only_is_refused() {
    let (folder, path) = file();
    let refused = DeadLetters::open(folder.path(), Limits::DEFAULT, at(0));
    assert!(matches!(refused, Err(DeadLetterError::NoFile { .. })), "{refused:?}");
    fs::write(&path, line()).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions.clone()).unwrap();
    for refused in [DeadLetters::open(&path, Limits::DEFAULT, at(0)).map(drop), Replay::open(&path).map(drop)] {
        assert!(matches!(refused, Err(DeadLetterError::ReadOnly { .. })), "{refused:?}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions(), permissions);
}

#[test]
fn only_what_a_kill_left_is_removed_to_make_room_for_the_next_file() {
    let (folder, path) = file();
    let beside = folder.path().join("dead.ndjson.tidegate-new");
    for (content, is_ours) in [(&line()[..30], true), (b"", true), (b"somebody's own", false)] {
        fs::write(&path, line()).unwrap();
        fs::write(&beside, content).unwrap();
        match Replay::open(&path) {
            Ok((replay, kept)) => assert_eq!((kept.finish(replay).unwrap(), is_ours), (1, true)),
            Err(DeadLetterError::InTheWay { in_the_way }) => assert_eq!((&in_the_way, is_ours), (&beside, false)),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(fs::read(&beside).is_ok_and(|left| left == content), !is_ours);
    }
    assert_eq!(fs::read(&path).unwrap(), line());
}

#[test]
fn old_letters_go_when_the_file_is_opened() {
    let (_folder, path) = file();
    let day = 24 * 3600;
    let mut letters = open(&path, 0);
    letters.add(&letter(1, 10)).unwrap();
    letters.add(&letter(2, 2 * day)).unwrap();
    drop(letters);
    assert_eq!(open(&path, 31 * day).dropped(), Dropped { aged: 1, ..Dropped::default() });
    assert_eq!(read(&path), [letter(2, 2 * day)]);
}

#[test]
fn a_full_file_drops_the_older_half_and_counts_it() {
    let (_folder, path) = file();
    let limits = Limits { bytes: 1500, ..Limits::DEFAULT };
    let mut letters = DeadLetters::open(&path, limits, at(0)).unwrap();
    for x in 0..32 {
        letters.add(&letter(x, 10)).unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= 1500);
    }
    let left = read(&path);
    assert_eq!(left.last(), Some(&letter(31, 10)));
    assert_eq!(letters.dropped().crowded + left.len() as u64, 32);
}

#[test]
fn a_letter_longer_than_a_line_is_refused() {
    let (_folder, path) = file();
    let long = DeadLetter { correlation: "c".repeat(5000), ..letter(1, 10) };
    let message = open(&path, 0).add(&long).unwrap_err().to_string();
    assert!(message.starts_with("a letter for a tile of zoom 5 is longer than 4096 bytes"), "{message}");
}

#[test]
fn a_replay_asks_for_each_tile_once_and_leaves_what_failed_again() {
    let (_folder, path) = file();
    let mut letters = open(&path, 0);
    for (x, seconds) in [(1, 10), (2, 11), (1, 20), (3, 21), (4, 22)] {
        letters.add(&letter(x, seconds)).unwrap();
    }
    drop(letters);
    let (mut replay, mut kept) = Replay::open(&path).unwrap();
    assert_eq!(replay.count(), 4);
    assert_eq!(replay.next().unwrap(), Some(letter(2, 11)), "the tile's later letter is still to come");
    assert_eq!(replay.next().unwrap(), Some(letter(1, 20)));
    kept.keep(&letter(1, 30)).unwrap();
    assert_eq!(replay.next().unwrap(), Some(letter(3, 21)));
    assert_eq!(read(&path).len(), 5, "until it is finished the file stays as it was");
    assert_eq!(kept.finish(replay).unwrap(), 2);
    assert_eq!(read(&path), [letter(1, 30), letter(4, 22)], "failed again, and not come to");
}

#[test]
fn a_successful_replay_empties_the_file_and_another_finds_nothing() {
    let (_folder, path) = file();
    open(&path, 0).add(&letter(1, 10)).unwrap();
    for expected in [1, 0] {
        let (mut replay, kept) = Replay::open(&path).unwrap();
        let tried = std::iter::from_fn(|| replay.next().unwrap()).count();
        assert_eq!(tried, expected);
        assert_eq!(kept.finish(replay).unwrap(), 0);
    }
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_replay_that_is_killed_changes_nothing() {
    let (folder, path) = file();
    open(&path, 0).add(&letter(1, 10)).unwrap();
    let (mut replay, mut kept) = Replay::open(&path).unwrap();
    replay.next().unwrap();
    kept.keep(&letter(1, 30)).unwrap();
    // Not dropped, as in a kill.
    std::mem::forget(kept);
    drop(replay);
    assert_eq!((read(&path), fs::read_dir(folder.path()).unwrap().count()), (vec![letter(1, 10)], 2));
    let (replay, kept) = Replay::open(&path).unwrap();
    kept.finish(replay).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
    drop(Replay::open(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nor when it is given up");
}

#[test]
fn a_second_run_is_told_that_the_file_is_in_use() {
    let (_folder, path) = file();
    let _first = open(&path, 0);
    let second = DeadLetters::open(&path, Limits::DEFAULT, at(0));
    assert!(matches!(second, Err(DeadLetterError::InUse { .. })), "{second:?}");
    assert!(matches!(Replay::open(&path), Err(DeadLetterError::InUse { .. })));
}

#[test]
fn replaying_what_is_not_there_creates_nothing() {
    let (_folder, path) = file();
    let error = Replay::open(&path).unwrap_err();
    assert!(matches!(&error, DeadLetterError::Io { source, .. } if source.kind() == ErrorKind::NotFound), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_letter_is_due_when_the_server_said() {
    let letter = letter(1, 10);
    assert!(!letter.is_due(at(69)) && letter.is_due(at(70)));
    assert!(DeadLetter { not_before: None, ..letter }.is_due(at(0)));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file_even_one_that_others_could() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(open(&path, 0));
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path, 0));
    assert_eq!(mode(&path), 0o600);
}
