//! Bodies of tiles: any bytes under any content type.

use tidegate::{
    transport::scripted,
    verify::{self, Checked, EmptyBody, Expect},
};

const TYPES: [&str; 8] = [
    "",
    "image/png",
    "image/jpeg",
    "image/webp",
    "application/x-protobuf",
    "application/vnd.mapbox-vector-tile",
    "text/html",
    "application/json",
];

pub fn run(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let kind = TYPES[usize::from(choice % 8)];
    let headers: &[(&str, &str)] = match (kind, choice & 8) {
        ("", 0) => &[],
        ("", _) => &[("content-encoding", "gzip")],
        (kind, 0) => &[("content-type", kind)],
        (kind, _) => &[("content-type", kind), ("content-encoding", "gzip")],
    };
    let empty = if choice & 16 == 0 { EmptyBody::Defect } else { EmptyBody::NoTile };
    let expect = Expect { empty, max_unpacked_bytes: 1 << 16, ..Expect::DEFAULT };
    let response = scripted::answer(200, headers, body);
    let mut unpacked = Vec::new();
    match verify::check(&response, &expect, &mut unpacked) {
        Ok(Checked::NoTile) => assert!(empty == EmptyBody::NoTile && (body.is_empty() || unpacked.is_empty())),
        Ok(Checked::Tile { .. }) => assert!(!body.is_empty()),
        Err(defect) => assert!(!defect.to_string().is_empty()),
    }
    assert!(unpacked.len() <= expect.max_unpacked_bytes + 1, "{} bytes unpacked", unpacked.len());
}
