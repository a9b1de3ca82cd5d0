//! Every tile whole, cut at every length, and changed in every byte.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::transport::scripted::answer;

const PALETTE_PNG: &[u8] = include_bytes!("../../tests/data/tiles/palette.png");
const RGBA_PNG: &[u8] = include_bytes!("../../tests/data/tiles/rgba.png");
const BASELINE_JPG: &[u8] = include_bytes!("../../tests/data/tiles/baseline.jpg");
const PROGRESSIVE_JPG: &[u8] = include_bytes!("../../tests/data/tiles/progressive.jpg");
const LOSSY_WEBP: &[u8] = include_bytes!("../../tests/data/tiles/lossy.webp");
const LOSSLESS_WEBP: &[u8] = include_bytes!("../../tests/data/tiles/lossless.webp");
const AVIF: &[u8] = include_bytes!("../../tests/data/tiles/tile.avif");
const PACKED_MVT: &[u8] = include_bytes!("../../tests/data/tiles/countries.pbf.gz");

const IMAGES: [(&[u8], Format); 7] = [
    (PALETTE_PNG, Format::Png),
    (RGBA_PNG, Format::Png),
    (BASELINE_JPG, Format::Jpeg),
    (PROGRESSIVE_JPG, Format::Jpeg),
    (LOSSY_WEBP, Format::WebP),
    (LOSSLESS_WEBP, Format::WebP),
    (AVIF, Format::Avif),
];

/// Checks a body that came with nothing but a length, and that length right: a cut cannot be told by it.
fn look(body: &[u8]) -> Result<Checked, Defect> {
    look_with(body, &[])
}

fn look_with(body: &[u8], headers: &[(&str, &str)]) -> Result<Checked, Defect> {
    let length = body.len().to_string();
    let headers: Vec<_> = headers.iter().copied().chain([("content-length", length.as_str())]).collect();
    check(&answer(200, &headers, body), &Expect::DEFAULT, &mut Vec::new())
}

fn plain(format: Format) -> Result<Checked, Defect> {
    Ok(Checked::Tile { format, packed: false })
}

fn packed(format: Format) -> Result<Checked, Defect> {
    Ok(Checked::Tile { format, packed: true })
}

fn unpacked_mvt() -> Vec<u8> {
    let mut tile = Vec::new();
    let checked = check(&answer(200, &[], PACKED_MVT), &Expect::DEFAULT, &mut tile);
    assert_eq!(checked, packed(Format::Mvt));
    tile
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn whole_tiles_are_known_whatever_the_server_calls_them() {
    for (image, format) in IMAGES {
        for media_type in ["image/png", "text/plain", "text/html", "application/octet-stream"] {
            assert_eq!(look_with(image, &[("content-type", media_type)]), plain(format), "{format} as {media_type}");
        }
        assert_eq!(look(&gzip(image)), packed(format));
    }
    assert_eq!(look_with(&unpacked_mvt(), &[("content-type", "text/html")]), plain(Format::Mvt));
    assert_eq!(look_with(PACKED_MVT, &[("content-encoding", "gzip")]), packed(Format::Mvt));
}

#[test]
fn an_image_cut_at_any_length_is_found_although_the_length_was_corrected() {
    for (image, format) in IMAGES {
        for length in 0..image.len() {
            let defect = look(&image[..length]).expect_err("a cut image passed");
            let at_start = matches!(defect, Defect::Empty | Defect::Unknown);
            let found = defect == Defect::Truncated(format) || (length < 12 && at_start);
            assert!(found, "{format} cut to {length} bytes: {defect:?}");
        }
    }
}

#[test]
fn a_packed_tile_cut_at_any_length_is_found() {
    for length in 0..PACKED_MVT.len() {
        let defect = look(&PACKED_MVT[..length]).expect_err("a cut tile passed");
        let at_start = length < 3 && matches!(defect, Defect::Empty | Defect::Unknown);
        assert!(defect == Defect::GzipTruncated || at_start, "cut to {length} bytes: {defect:?}");
    }
}

#[test]
fn a_bare_vector_tile_cut_anywhere_but_between_layers_is_found() {
    let layer = unpacked_mvt();
    let tile = [&layer[..], &layer[..], &layer[..]].concat();
    let passed: Vec<usize> = (1..=tile.len()).filter(|&length| look(&tile[..length]).is_ok()).collect();
    // The module's table says so.
    assert_eq!(passed, [layer.len(), 2 * layer.len(), 3 * layer.len()]);
}

#[test]
fn a_changed_byte_in_a_png_or_in_gzip_is_found() {
    for at in 8..PALETTE_PNG.len() {
        let mut image = PALETTE_PNG.to_vec();
        image[at] ^= 0x01;
        assert!(look(&image).is_err(), "changed at {at}");
    }
    // The header's flags, time and system (bytes 3 to 9) are covered by nothing.
    for at in 10..PACKED_MVT.len() {
        let mut tile = PACKED_MVT.to_vec();
        tile[at] ^= 0x01;
        assert!(look(&tile).is_err(), "changed at {at}");
    }
}

#[test]
fn no_change_of_a_byte_makes_the_check_panic() {
    let mvt = unpacked_mvt();
    for tile in IMAGES.iter().map(|(image, _)| *image).chain([PACKED_MVT, &mvt]) {
        for at in 0..tile.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut changed = tile.to_vec();
                changed[at] = value;
                // Whether it passes depends on the byte; that it returns is the point.
                let _ = look(&changed);
            }
        }
    }
}

#[test]
fn a_length_that_does_not_match_is_a_defect_of_its_own() {
    let response = answer(200, &[("content-length", "999")], PALETTE_PNG);
    let defect = check(&response, &Expect::DEFAULT, &mut Vec::new()).unwrap_err();
    assert_eq!(defect, Defect::Length { stated: 999, received: PALETTE_PNG.len() as u64 });
}

#[test]
fn pages_are_not_tiles_by_their_text_or_by_their_type() {
    for (body, media_type, page) in [
        (&b"<!DOCTYPE html><html>blocked</html>"[..], "text/html; charset=utf-8", Page::Html),
        (b"\xef\xbb\xbf\n  <HTML><body>", "image/png", Page::Html),
        (b"<?xml version=\"1.0\"?><ServiceException/>", "application/vnd.ogc.se_xml", Page::Xml),
        (b"<ListBucketResult/>", "", Page::Xml),
        (b"{\"message\": \"Not Authorized\"}", "application/json", Page::Json),
        (b"[]", "image/webp", Page::Json),
        (b"rate limit exceeded", "text/plain", Page::Text),
        (b"Not found", "text/html", Page::Html),
    ] {
        let looked = look_with(body, &[("content-type", media_type)]);
        assert_eq!(looked, Err(Defect::ContentType(page)), "{}", String::from_utf8_lossy(body));
        let looked = look_with(&gzip(body), &[("content-type", media_type), ("content-encoding", "gzip")]);
        assert_eq!(looked, Err(Defect::ContentType(page)), "packed");
    }
    assert_eq!(look(b"GIF89a and so on"), Err(Defect::Unknown));
    assert_eq!(look("Ошибка сервера".as_bytes()), Err(Defect::Unknown), "text that nobody calls text");
    assert_eq!(look(b"\x1a\x03\x12\x01\x00"), Err(Defect::Unknown), "a layer without a name");
}

#[test]
fn empty_bodies_mean_what_the_caller_says_they_mean() {
    let lenient = Expect { empty: EmptyBody::NoTile, ..Expect::DEFAULT };
    for body in [Vec::new(), gzip(b"")] {
        let response = answer(200, &[("content-encoding", "gzip")], &body);
        assert_eq!(check(&response, &Expect::DEFAULT, &mut Vec::new()), Err(Defect::Empty));
        assert_eq!(check(&response, &lenient, &mut Vec::new()), Ok(Checked::NoTile));
    }
}

#[test]
fn encodings_are_what_they_say_and_only_once() {
    let mvt = unpacked_mvt();
    assert_eq!(look_with(&mvt, &[("content-encoding", "gzip")]), Err(Defect::NotGzip));
    assert_eq!(look_with(&mvt, &[("content-encoding", "br")]), Err(Defect::Encoding));
    assert_eq!(look_with(&mvt, &[("content-encoding", "identity")]), plain(Format::Mvt));
    assert_eq!(look_with(PACKED_MVT, &[("content-encoding", "X-GZIP")]), packed(Format::Mvt));
    assert_eq!(look_with(&gzip(PACKED_MVT), &[("content-encoding", "gzip")]), Err(Defect::DoubleGzip));
    let two_members = [gzip(&mvt), gzip(&mvt)].concat();
    assert_eq!(look(&two_members), packed(Format::Mvt));
    // The one cut in gzip that cannot be found, as the module's table says.
    assert_eq!(look(&two_members[..two_members.len() / 2]), packed(Format::Mvt));
}

#[test]
fn a_bomb_is_not_unpacked_beyond_the_limit() {
    let bomb = gzip(&vec![0; 1 << 20]);
    let expect = Expect { max_unpacked_bytes: 1_000, ..Expect::DEFAULT };
    let mut unpacked = Vec::new();
    let checked = check(&answer(200, &[], &bomb), &expect, &mut unpacked);
    assert_eq!(checked, Err(Defect::TooLarge { max: 1_000 }));
    assert!(unpacked.capacity() < 16 << 10, "{} bytes were taken", unpacked.capacity());
}

#[test]
fn only_padding_may_follow_the_end() {
    for (image, format) in IMAGES {
        assert_eq!(look(&[image, b"\r\n\0\0"].concat()), plain(format));
        let mixed = look(&[image, b"\n<!-- 12 ms -->"].concat()).expect_err("something follows");
        match format {
            // Its boxes have to fill it, so this is one that ends early, or none.
            Format::Avif => assert!(matches!(mixed, Defect::Truncated(_) | Defect::Corrupt(_)), "{mixed:?}"),
            _ => assert_eq!(mixed, Defect::Trailing { format, extra: 15 }),
        }
    }
    assert_eq!(look(&[PACKED_MVT, b"<!-- 12 ms -->"].concat()), Err(Defect::GzipCorrupt));
}

#[test]
fn another_format_than_the_expected_one_is_told() {
    let expect = Expect { format: Some(Format::Png), ..Expect::DEFAULT };
    let mut buffer = Vec::new();
    assert_eq!(check(&answer(200, &[], PALETTE_PNG), &expect, &mut buffer), plain(Format::Png));
    assert_eq!(
        check(&answer(200, &[], BASELINE_JPG), &expect, &mut buffer),
        Err(Defect::Format { expected: Format::Png, found: Format::Jpeg })
    );
}

#[test]
fn extensions_lead_back_to_their_formats() {
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Avif, Format::Mvt] {
        assert_eq!(Format::from_extension(format.extension()), Some(format));
    }
    assert_eq!(Format::from_extension("MVT"), Some(Format::Mvt));
    assert_eq!(Format::from_extension("gif"), None);
}
