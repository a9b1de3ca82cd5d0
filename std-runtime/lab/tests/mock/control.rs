//! The control endpoint.

use tidegate_lab::mock::MockStats;

use crate::client::{Connection, fetch, mock, post};

#[test]
fn the_counters_are_json_and_leave_control_requests_out() {
    let mock = mock("503=100%");
    fetch(mock.addr(), "/0/0/0", "").expect("an answer");
    let answer = fetch(mock.addr(), "/__stats", "").expect("an answer");
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("application/json")));
    let stats: MockStats = serde_json::from_slice(&answer.body).expect("JSON of the counters");
    assert_eq!((stats.received, stats.answered[&503], stats.injected["503"], stats.control), (1, 1, 1, 1));
    assert!(stats.balances());
}

#[test]
fn a_reset_starts_counters_and_scripts_anew() {
    let mock = mock("script=503,200");
    let ask = || fetch(mock.addr(), "/0/0/0", "").expect("an answer").status;
    assert_eq!([ask(), ask()], [503, 200]);
    assert_eq!(post(&mock, "/__reset", "", "").status, 200);
    assert_eq!(mock.stats().received, 0);
    assert_eq!([ask(), ask()], [503, 200]);
    mock.reset();
    assert_eq!([ask(), ask()], [503, 200]);
}

#[test]
fn faults_are_replaced_by_text_and_by_toml() {
    let mock = mock("503=100%");
    let ask = || fetch(mock.addr(), "/0/0/0", "").expect("an answer").status;
    assert_eq!(ask(), 503);
    let answer = post(&mock, "/__faults", "", "429:1=100%\n");
    assert_eq!((answer.status, answer.text()), (200, "seed=0\n429:1=100%\n"));
    assert_eq!(ask(), 429);
    let answer = post(&mock, "/__faults", "Content-Type: application/toml\r\n", "seed = 4\n[share]\n404 = \"100%\"\n");
    assert_eq!((answer.status, answer.text()), (200, "seed=4\n404=100%\n"));
    assert_eq!(ask(), 404);
    assert_eq!(fetch(mock.addr(), "/__faults", "").expect("an answer").text(), mock.faults().to_string());
    assert_eq!(post(&mock, "/__faults", "", "").status, 200);
    assert_eq!(ask(), 200, "no rules, no faults");
}

#[test]
fn bad_faults_change_nothing_and_are_told_why() {
    let mock = mock("503=100%");
    for (fields, body, mention) in [
        ("", "503=110%", "`110%` is not a share"),
        ("", "503=60%\nreset=60%", "120%"),
        ("Content-Type: application/toml\r\n", "503=10%", "TOML"),
    ] {
        let answer = post(&mock, "/__faults", fields, body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains(mention), "{}", answer.text());
    }
    assert_eq!(mock.faults().to_string(), "seed=0\n503=100%\n");
    assert!(
        mock.set_faults({
            let mut faults = mock.faults();
            faults.bandwidth = Some(0);
            faults
        })
        .is_err()
    );
}

#[test]
fn control_works_while_everything_else_fails() {
    let mock = mock("outage=0s..1h:hang");
    assert_eq!(fetch(mock.addr(), "/__stats", "").expect("an answer").status, 200);
    assert_eq!(post(&mock, "/__faults", "", "").status, 200);
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
}

#[test]
fn what_control_does_not_know_is_told_what_there_is() {
    let mock = mock("");
    let unknown = fetch(mock.addr(), "/__what", "").expect("an answer");
    assert!(unknown.status == 404 && unknown.text().contains("/__stats"));
    let wrong = fetch(mock.addr(), "/__reset", "").expect("an answer");
    assert_eq!((wrong.status, wrong.field("Allow")), (405, Some("POST")));
}

#[test]
fn a_body_is_waited_for_and_invited_but_not_without_bounds() {
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    connection
        .send(b"POST /__faults HTTP/1.1\r\nHost: mock\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n")
        .expect("sent");
    assert_eq!(connection.answer(false).expect("an invitation").status, 100);
    connection.send(b"503=10%\n").expect("sent");
    assert_eq!(connection.answer(true).expect("an answer").text(), "seed=0\n503=10%\n");

    connection.send(b"POST /__faults HTTP/1.1\r\nHost: mock\r\nContent-Length: 65537\r\n\r\n").expect("sent");
    let answer = connection.answer(true).expect("an answer");
    assert_eq!((answer.status, answer.field("Connection")), (413, Some("close")));
}
