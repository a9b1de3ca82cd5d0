//! What the examples for other runtimes fetch: tiles of a server that fails now and then, and that each starts itself.

use tidegate_lab::mock::{Mock, MockConfig};

/// A server on a free port of this machine, with `faults` as the command `tidegate mock --fault` takes them, one a line.
pub(crate) fn server(faults: &str) -> Mock {
    let faults = faults.parse().expect("valid rules");
    Mock::start(MockConfig { faults, ..MockConfig::default() }).expect("there is a free port")
}

/// The URLs on the command line, or else those of 64 tiles of `server`.
#[cfg_attr(test, allow(dead_code, reason = "the test of smol has no command line"))]
pub(crate) fn urls(server: &Mock) -> Vec<String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.is_empty() { tiles(server, 3) } else { given }
}

/// The URLs of all tiles of one zoom.
pub(crate) fn tiles(server: &Mock, z: u8) -> Vec<String> {
    let url = |index: u32| {
        let (x, y) = (index >> z, index & ((1 << z) - 1));
        let template = server.url_template().replace("{z}", &z.to_string());
        template.replace("{x}", &x.to_string()).replace("{y}", &y.to_string())
    };
    (0..1 << (2 * z)).map(url).collect()
}

/// A live run for a test: the 16 tiles of zoom 2, three of which fail at first.
#[cfg(test)]
pub(crate) mod live {
    use tidegate_core::{End, Gate, GateConfig, Traced};
    use tidegate_lab::mock::Mock;

    pub(crate) fn server() -> Mock {
        super::server("2/0/1=503*2,200\n 2/1/1=reset,200\n 2/2/1=truncate,503,200\n latency=2ms")
    }

    pub(crate) fn gate() -> Gate {
        Gate::new(GateConfig::DEFAULT).expect("the default is valid")
    }

    /// That every tile came, with one more attempt for each failure, and that the core replays what it decided.
    pub(crate) fn check<const R: usize>(server: &Mock, ends: impl Iterator<Item = End>, traced: &Traced<Gate, R>) {
        let ends: Vec<End> = ends.collect();
        assert!(ends.iter().all(|end| matches!(end, End::Succeeded | End::Empty)), "{ends:?}");
        assert_eq!((ends.len(), server.stats().received), (16, 16 + 5), "each failure is followed by one more attempt");
        assert_eq!(traced.gate().in_flight(), 0, "every place came back");
        assert_eq!(traced.replay(&mut gate()), Ok(traced.hash()));
    }
}
