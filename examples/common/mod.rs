//! What the examples for other runtimes fetch: tiles of a server that fails now and then, and that each starts itself.

use tidegate_lab::mock::{Mock, MockConfig};

/// A server on a free port of this machine, with `faults` as the command `tidegate mock --fault` takes them, one a line.
pub(crate) fn server(faults: &str) -> Mock {
    let faults = faults.parse().expect("valid rules");
    Mock::start(MockConfig { faults, ..MockConfig::default() }).expect("there is a free port")
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
