//! What a run gives away of the place that it asks for: nothing, whatever goes wrong.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    thread,
};

use tidegate_core::{TileId, tile::ShowQuadkey};
use tidegate_lab::mock::{
    Faults, Mock, MockConfig,
    rules::{Fault, Pace},
};

use crate::support::{code, json, stderr, stdout, tidegate};

/// The only tile of the box below, so deep that none of its numbers can be part of a time.
const CANARY: (u8, u32, u32) = (22, 2_196_661, 1_468_883);
const BOX: &str = "8.541001,47.371201,8.541002,47.371202";

fn canary() -> TileId {
    let (z, x, y) = CANARY;
    TileId::new(z, x, y).expect("a tile")
}

/// Everything that tells the place, or is a secret of the URL or of a flag.
fn private() -> Vec<String> {
    let tile = canary();
    let quadkey: ShowQuadkey = tile.show_quadkey();
    let numbers = [tile.x(), tile.y(), (1 << 22) - 1 - tile.y()].map(|number| number.to_string());
    let words =
        ["8.5410", "47.3712", "canary", &quadkey.to_string(), &tile.hilbert_id().to_string()].map(str::to_owned);
    numbers.into_iter().chain(words).collect()
}

/// What the server does: every fault of a request, and every rule of a server.
fn rules() -> Vec<String> {
    let (z, x, y) = CANARY;
    let faults = faults().into_iter().map(|fault| format!("{z}/{x}/{y}={fault}"));
    let servers = [
        "rate=1/h,kind=fixed,headers=draft\n200=100%",
        "pool=1,service=60s,queue=0",
        "connections=1,excess=503",
        "connections=1,excess=reset",
        "outage=0s..1h:503:3600",
        "outage=0s..1h:hang",
        "outage=0s..1h:refuse",
        "latency=60s",
        "bandwidth=1/s",
    ];
    faults.chain(servers.map(str::to_owned)).collect()
}

fn faults() -> Vec<Fault> {
    let words = "200 204 304 400 401 403 404 410 429 429:3600 500 503 503:\"soon\" 503:date+3600 599 close reset reset-body \
                 truncate short chunk hang html empty magic gzip wrong-tile drip:1/60s";
    words.split_whitespace().map(|word| word.parse().expect("a fault")).collect()
}

/// Does not compile where the mock server learns a fault or a rule, so that it is added to the lists above.
#[test]
fn no_fault_of_the_mock_server_is_left_out() {
    let kind = |fault: &Fault| match fault {
        Fault::None => 0,
        Fault::Status { code: _, retry_after: _ } => 1,
        Fault::Close => 2,
        Fault::Reset => 3,
        Fault::ResetBody => 4,
        Fault::Truncate => 5,
        Fault::Short => 6,
        Fault::Chunk => 7,
        Fault::Hang => 8,
        Fault::Html => 9,
        Fault::Empty => 10,
        Fault::Magic => 11,
        Fault::Gzip => 12,
        Fault::WrongTile => 13,
        Fault::Drip(Pace { bytes: _, pause: _ }) => 14,
    };
    assert_eq!(faults().iter().map(kind).collect::<BTreeSet<_>>(), (0..=14).collect());
    let Faults {
        seed: _,
        latency: _,
        bandwidth: _,
        rate: _,
        pool: _,
        connections: _,
        outages: _,
        script: _,
        tiles: _,
        shares: _,
    } = Faults::default();
}

fn server(rules: &str) -> Mock {
    let faults = rules.parse().unwrap_or_else(|error| panic!("{rules}: {error}"));
    Mock::start(MockConfig { faults, synthetic_bytes: Some(512), ..MockConfig::default() })
        .expect("a mock server starts")
}

fn url(addr: SocketAddr) -> String {
    format!("http://canary-user:canary-word@{addr}/streets/{{z}}/{{x}}/{{y}}.mvt?key=canary-key")
}

/// The flags of a fetch of the canary, with secrets in every place that has one.
fn fetch<'a>(url: &'a str, directory: &'a str, letters: &'a str) -> Vec<&'a str> {
    let area = ["fetch", "--bbox", BOX, "--zooms", "22", "--output", directory, "--dead-letter", letters];
    let secrets = ["--url-template", url, "-H", "X-Api-Key: canary", "--mirror", url];
    [&area[..], &secrets[..], &["-vvv"]].concat()
}

#[test]
fn nothing_that_a_run_says_tells_the_place_whatever_goes_wrong() {
    let rules = rules();
    let chunks: Vec<&[String]> = rules.chunks(rules.len().div_ceil(4)).collect();
    thread::scope(|scope| {
        for chunk in chunks {
            scope.spawn(move || chunk.iter().for_each(|rule| assert_keeps_quiet(rule)));
        }
    });
}

fn assert_keeps_quiet(rule: &str) {
    // Each form of log with the other form of result.
    for (log, result) in [("text", "json"), ("json", "text")] {
        let mock = server(rule);
        // Something that stands in the way of those that come after it.
        let _first = rule.starts_with("connections").then(|| ask(mock.addr()));
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
        let (url, tiles, letters) = (url(mock.addr()), path("tiles"), path("letters"));
        let mut arguments = fetch(&url, &tiles, &letters);
        arguments.extend(["--log-format", log, "--output-format", result, "--retries", "1", "--timeout", "100ms"]);
        arguments.extend(["--global-timeout", "1s", "--preset", "bulk"]);
        let output = tidegate(&arguments).output().expect("the command starts");
        let (results, messages) = (stdout(&output), stderr(&output));
        assert!(code(&output).is_some_and(|code| [0, 1, 3, 5].contains(&code)), "{rule}: {output:?}");
        assert!(messages.contains("attempt"), "{rule}: it logs: {messages}");
        for (said, name) in [(&results, "results"), (&messages, "messages")] {
            for word in private() {
                assert!(!said.contains(&word), "{rule}: {word:?} in the {name}: {said}");
            }
        }
        // It was this tile, and a dead letter, the user's own, says so.
        let letter = fs::read_to_string(&letters).unwrap_or_default();
        assert!(letter.is_empty() || letter.contains(&CANARY.1.to_string()), "{rule}: {letter}");
        if !rule.contains("refuse") {
            assert!(mock.stats().received > 0, "{rule}: the server was asked");
        }
    }
}

/// Takes a connection and keeps it.
fn ask(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.write_all(b"GET /0/0/0 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    assert!(stream.read(&mut [0; 64]).is_ok_and(|read| read > 0), "it answers");
    stream
}

#[test]
fn what_stands_in_for_a_tile_does_not_tell_the_place() {
    let mock = server("");
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, tiles, letters, cache) = (url(mock.addr()), path("tiles"), path("letters"), path("cache"));
    let run = |zoom: &str, further: &[&str]| {
        let mut arguments = fetch(&url, &tiles, &letters);
        arguments[4] = zoom;
        tidegate(&[&arguments[..], &["--cache", &cache], further].concat()).output().expect("the command starts")
    };
    assert_eq!(code(&run("21", &[])), Some(0));
    mock.set_faults("503=100%".parse().expect("a rule")).expect("it is valid");
    let output = run("22", &["--allow-parent", "1", "--retries", "0", "--output-format", "json"]);
    assert_eq!(json(&output)["metrics"]["from_parent"], 1, "{output:?}");
    assert!(stderr(&output).contains("a parent stands in"), "{output:?}");
    for word in private() {
        assert!(!stdout(&output).contains(&word) && !stderr(&output).contains(&word), "{word:?} in {output:?}");
    }
}

#[test]
fn the_pages_for_whoever_watches_do_not_tell_the_place() {
    let (z, x, y) = CANARY;
    let mock = server(&format!("{z}/{x}/{y}=503,reset,hang"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, tiles, letters) = (url(mock.addr()), path("tiles"), path("letters"));
    let mut arguments = fetch(&url, &tiles, &letters);
    arguments.extend(["--listen", "127.0.0.1:0", "--preset", "ancestor", "--timeout", "60s"]);
    let mut command = tidegate(&arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.split_once("address=").map(|(_, address)| address.trim().to_owned()));
    // Two attempts have gone wrong, and the third is under way.
    assert_eq!(lines.by_ref().filter(|line| line.contains("attempt failed")).take(2).count(), 2);
    let pages = ["/metrics", "/healthz", "/livez", "/readyz", "/nowhere"].map(|path| {
        let mut stream = TcpStream::connect(address.as_deref().expect("an address")).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    });
    child.kill().and_then(|()| child.wait()).expect("it still runs");
    assert!(pages[0].contains("kind=\"status 503\""), "{}", pages[0]);
    for (page, word) in pages.iter().flat_map(|page| private().into_iter().map(move |word| (page, word))) {
        assert!(!page.contains(&word), "{word:?} in {page}");
    }
}

#[test]
fn logs_tell_the_place_where_that_is_asked_for_and_never_the_secrets() {
    let mock = server("");
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, tiles, letters) = (url(mock.addr()), path("tiles"), path("letters"));
    let arguments = [&fetch(&url, &tiles, &letters)[..], &["--log-locations"]].concat();
    let said = stderr(&tidegate(&arguments).output().expect("the command starts"));
    assert!(said.contains("west,south,east,north = 8.541001,"), "{said}");
    assert!(said.contains(&format!("location={}", canary().show_location())), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_written_is_for_its_owner_alone_as_the_help_says() {
    use std::os::unix::fs::PermissionsExt;
    let mock = Mock::start(MockConfig::default()).expect("a server");
    let folder = tempfile::tempdir().expect("a directory");
    let tree = folder.path().join("above/tree");
    let tree_name = tree.to_str().expect("UTF-8");
    let url = mock.url_template();
    let output = tidegate(&["fetch", "--bbox=0,0,0,0", "--zooms", "0", "--output", tree_name, "--url-template", &url])
        .output()
        .expect("the command starts");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let tile = fs::read_dir(tree.join("0/0")).expect("a folder").next().expect("a tile").expect("readable").path();
    assert_eq!((mode(&folder.path().join("above")), mode(&tree), mode(&tile)), (0o700, 0o700, 0o600));
    let help = stdout(&tidegate(&["fetch", "--help"]).output().expect("the command starts"));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("it can be read by its owner alone, whatever the umask"), "{help}");
}
