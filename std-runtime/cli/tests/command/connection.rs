//! How requests get to a server, and what they say of the client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::support::{NOTHING_THERE, code, head, listen, mock, run, scribe, stderr, stdout, tidegate};

#[test]
fn requests_say_what_they_were_told_to_and_nothing_else() {
    let (url, heads) = scribe();
    let agent = "MyMap/1.2 (+https://my.map; me@my.map)";
    let output = run(&["-n", "3", "--url-template", &url, "-A", agent, "-H", "X-Api-Key: a: b", "-H", "X-Two: c"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let heads = heads.lock().expect("no panic");
    assert_eq!(heads.len(), 3);
    for head in heads.iter() {
        let mut names: Vec<&str> =
            head.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent", "x-api-key", "x-two"], "{head}");
        for line in [&format!("user-agent: {}", agent.to_ascii_lowercase()), "x-api-key: a: b", "x-two: c"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
        }
    }
}

#[test]
fn the_correlation_id_of_the_logs_goes_upstream_where_that_is_asked_for_alone() {
    let (url, heads) = scribe();
    let quiet = run(&["-n", "1", "--url-template", &url]);
    assert_eq!(code(&quiet), Some(0), "{}", stderr(&quiet));
    assert!(!heads.lock().expect("no panic").pop().expect("a request").contains("correlation"));
    let output = run(&["-n", "1", "--url-template", &url, "--send-correlation-id", "-vvv"]);
    let said = stderr(&output);
    let line = said.lines().find(|line| line.contains("attempt answered")).expect("a line about the attempt");
    let id = line.split("id=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("its name");
    let head = heads.lock().expect("no panic").pop().expect("a request");
    assert!(head.contains(&format!("\r\nx-correlation-id: {id}/1\r\n")), "{id} in {head}");
}

fn tls_server() -> SocketAddr {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../../tests/data/tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/data/tls/server.key"));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS has versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"))
        .expect("they belong together");
    let config = Arc::new(config);
    listen(move |stream| {
        let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
        let mut stream = StreamOwned::new(connection, stream);
        while head(&mut stream).is_some() && stream.write_all(NOTHING_THERE).and_then(|()| stream.flush()).is_ok() {}
    })
}

#[test]
fn a_server_of_an_authority_of_ones_own_is_trusted_where_that_is_named_alone() {
    let url = format!("https://localhost:{}/{{z}}/{{x}}/{{y}}.png", tls_server().port());
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/tls/ca.pem");
    let trusting = run(&["-n", "5", "--url-template", &url, "--cacert", authority]);
    assert_eq!(code(&trusting), Some(0), "{}", stderr(&trusting));
    let output = run(&["-n", "1", "--retries", "0", "--url-template", &url, "-v"]);
    assert_eq!(code(&output), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 TLS") && stderr(&output).contains("certificate is not valid"));
}

/// A proxy that is asked by CONNECT, and the targets that it was asked for.
fn http_proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let targets = Arc::clone(&asked);
    let addr = listen(move |mut stream| {
        let Some(head) = head(&mut stream) else { return };
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let Ok(upstream) = TcpStream::connect(&target) else { return };
        targets.lock().expect("no panic").push(target);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        relay(stream, upstream);
    });
    (addr, asked)
}

/// A SOCKS5 proxy without a password, and the ports that it was asked for. It connects on this machine alone.
fn socks_proxy() -> (SocketAddr, Arc<Mutex<Vec<u16>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ports = Arc::clone(&asked);
    let addr = listen(move |mut stream| {
        // The greeting, and a request for a name.
        let (mut greeting, mut request) = ([0; 3], [0; 5]);
        let _ = stream.read_exact(&mut greeting).and_then(|()| stream.write_all(&[5, 0]));
        let _ = stream.read_exact(&mut request);
        let mut name_and_port = vec![0; usize::from(request[4]) + 2];
        let _ = stream.read_exact(&mut name_and_port);
        let [.., high, low] = name_and_port[..] else { return };
        let port = u16::from_be_bytes([high, low]);
        let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)) else { return };
        ports.lock().expect("no panic").push(port);
        let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        relay(stream, upstream);
    });
    (addr, asked)
}

fn relay(one: TcpStream, other: TcpStream) {
    let (from, to) = (one.try_clone().expect("a handle"), other.try_clone().expect("a handle"));
    thread::spawn(move || std::io::copy(&mut &from, &mut &to));
    let _ = std::io::copy(&mut &other, &mut &one);
}

#[test]
fn a_proxy_is_gone_through_where_a_flag_says_so_and_the_environment_alone_has_no_say() {
    let mock = mock("");
    let url = mock.url_template();
    let (proxy, asked) = http_proxy();
    let taken = || std::mem::take(&mut *asked.lock().expect("no panic"));
    let address = format!("http://anna:s3cret@{proxy}");
    let flag = run(&["-n", "5", "-c", "1", "--url-template", &url, "--proxy", &address]);
    assert_eq!(code(&flag), Some(0), "{}", stderr(&flag));
    assert_eq!(taken(), [mock.addr().to_string()], "one tunnel for all");
    let run_with = |arguments: &[&str]| {
        let arguments = [&["-n", "5", "-c", "1", "--url-template", &url], arguments].concat();
        tidegate(&arguments).env("ALL_PROXY", &address).output().expect("the command starts")
    };
    assert_eq!((code(&run_with(&[])), taken().len()), (Some(0), 0));
    assert_eq!((code(&run_with(&["--proxy", "environment"])), taken().len()), (Some(0), 1));
    let broken = tidegate(&["--proxy", "environment"]).env("ALL_PROXY", "gopher://x").output().expect("it starts");
    assert_eq!(code(&broken), Some(2), "not gone around in silence: {}", stderr(&broken));
}

#[test]
fn a_socks_proxy_looks_names_up_where_it_is_asked_to() {
    let mock = mock("");
    let (proxy, asked) = socks_proxy();
    let url = format!("http://tiles.test:{}/{{z}}/{{x}}/{{y}}.mvt", mock.addr().port());
    let output = run(&["-n", "5", "-c", "1", "--url-template", &url, "--proxy", &format!("socks5h://{proxy}")]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(*asked.lock().expect("no panic"), [mock.addr().port()]);
    assert_eq!(mock.stats().received, 5);
}
