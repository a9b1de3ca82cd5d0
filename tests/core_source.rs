//! What the core never does, read off its source: the compiler cannot check these.

use std::{fs, path::Path};

/// Words that must not occur in the core outside tests and comments, and why.
const FORBIDDEN: [(&str, &str); 10] = [
    ("f32", "the core computes with integers only"),
    ("f64", "the core computes with integers only"),
    ("std::", "the core is no_std, also when a dependency of a test is not"),
    ("alloc::", "the core has no heap"),
    (".unwrap()", "nothing may panic on a runtime input"),
    (".expect(", "nothing may panic on a runtime input"),
    ("panic!(", "nothing may panic on a runtime input"),
    ("unreachable!(", "nothing may panic on a runtime input"),
    ("unsafe ", "the core has no unsafe code"),
    ("u128", "128-bit arithmetic costs hundreds of instructions on a small device"),
];

/// The places where a forbidden word is right: file, word, and the reason.
const ALLOWED: [(&str, &str, &str); 1] =
    [("time.rs", "u128", "Duration::as_nanos returns it; converted once, at construction")];

#[test]
fn the_core_has_no_float_no_std_and_no_panic_outside_its_tests() {
    let mut complaints = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src"), &mut complaints);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn visit(folder: &Path, complaints: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the core's sources are there") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                visit(&path, complaints);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            inspect(&path, complaints);
        }
    }
}

fn inspect(path: &Path, complaints: &mut Vec<String>) {
    let name = path.file_name().and_then(|name| name.to_str()).expect("source names are UTF-8");
    let text = fs::read_to_string(path).expect("a readable source");
    // By convention tests are the last thing in a file, or a file or folder of their own.
    let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
    if name == "tests.rs" {
        return;
    }
    for (number, line) in shipped.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (word, reason) in FORBIDDEN {
            let allowed = ALLOWED.iter().any(|&(file, allowed, _)| file == name && allowed == word);
            if has_word(code, word) && !allowed {
                complaints.push(format!("{}:{}: `{word}`: {reason}", path.display(), number + 1));
            }
        }
    }
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !word.starts_with(char::is_alphanumeric) || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn the_check_itself_finds_what_it_looks_for() {
    assert!(has_word("let x: f32 = 0;", "f32"));
    assert!(!has_word("let buf32 = 0;", "f32"));
    assert!(has_word("x.unwrap()", ".unwrap()"));
}
