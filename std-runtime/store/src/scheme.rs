//! The ways in which tile servers want to be asked, all turned into one kind of template.
//!
//! | scheme | how |
//! |---|---|
//! | XYZ, TMS, `{s}`, `{switch:…}`, `{r}` | [`UrlTemplate`] knows them already |
//! | quadkey, a box in metres | [`template`] adds `{quadkey}` and `{bbox-epsg-3857}` |
//! | the spellings of WMTS, JOSM and others | [`template`] reads them: see [`SPELLINGS`] |
//! | WMTS, by key and value or by the server's own template | [`Wmts`] |
//! | WMS 1.1.1 and 1.3.0 | [`Wms`] |
//! | a TileJSON document | [`TileJson`] |
//!
//! All of them mean the same grid: Web Mercator (EPSG:3857), 2^z tiles across. Other grids, and other projections of WMS,
//! give tiles that belong nowhere in it, so there is no way to ask for them.

mod query;
mod reference;
mod tilejson;
mod wms;
mod wmts;

use std::fmt::Write;

use tidegate::template::{Placeholder, TemplateError, UrlTemplate};
pub use tilejson::{Coverage, TileJson, TileJsonError};
pub use wms::{Wms, WmsVersion};
pub use wmts::Wmts;

use crate::TileId;

/// Placeholders whose value is computed from the tile: `{quadkey}`, and `{bbox-epsg-3857}` as west,south,east,north in
/// metres.
pub const COMPUTED: [Placeholder; 2] = [
    Placeholder { name: "quadkey", expand: expand_quadkey },
    Placeholder { name: "bbox-epsg-3857", expand: expand_bbox },
];

/// Other names of placeholders, and what they mean here: those of WMTS, of JOSM's WMS entries, and the short `{q}`.
pub const SPELLINGS: [(&str, &str); 9] = [
    ("{TileMatrix}", "{z}"),
    ("{TileRow}", "{y}"),
    ("{TileCol}", "{x}"),
    ("{q}", "{quadkey}"),
    ("{bbox}", "{bbox-epsg-3857}"),
    ("{proj}", "EPSG:3857"),
    ("{wkid}", "3857"),
    ("{width}", "256"),
    ("{height}", "256"),
];

/// Reads a template of any spelling.
///
/// ```
/// let template = tidegate_store::scheme::template("https://tiles.test/{q}.jpg")?;
/// let mut url = String::new();
/// template.expand(tidegate_core::TileId::new(3, 3, 5).expect("a tile"), &mut url);
/// assert_eq!(url, "https://tiles.test/213.jpg");
/// # Ok::<(), tidegate::template::TemplateError>(())
/// ```
///
/// # Errors
/// Everything that [`TemplateError`] lists.
pub fn template(text: &str) -> Result<UrlTemplate, TemplateError> {
    let spelled = SPELLINGS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
    UrlTemplate::parse_with(&spelled, &COMPUTED)
}

/// Half the width of the map in metres: π times the radius of the sphere of Web Mercator, 6,378,137 m.
const HALF_WORLD_M: f64 = 20_037_508.342_789_244;

/// The box around a tile in metres of Web Mercator: west, south, east, north.
///
/// Each edge comes from its own number and not from the edge before, so neighbours have the very same edge.
///
/// ```
/// # use tidegate_store::{TileId, scheme::bbox_m};
/// let [west, south, east, north] = bbox_m(TileId::new(11, 327, 791).expect("a tile"));
/// assert_eq!((west, south), (-13638811.83098057, 4539747.983913189));
/// assert_eq!((east, north), (-13619243.951739565, 4559315.863154193));
/// # Ok::<(), tidegate_store::TileError>(())
/// ```
pub fn bbox_m(tile: TileId) -> [f64; 4] {
    let side = 2.0 * HALF_WORLD_M / (1_u64 << tile.z()) as f64;
    let from_west = |column: u32| f64::from(column) * side - HALF_WORLD_M;
    let from_north = |row: u32| HALF_WORLD_M - f64::from(row) * side;
    [from_west(tile.x()), from_north(tile.y() + 1), from_west(tile.x() + 1), from_north(tile.y())]
}

fn expand_quadkey(tile: TileId, url: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(url, "{}", tile.show_quadkey());
}

fn expand_bbox(tile: TileId, url: &mut String) {
    let [west, south, east, north] = bbox_m(tile);
    let _ = write!(url, "{west},{south},{east},{north}");
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn expanded(text: &str, (z, x, y): (u8, u32, u32)) -> String {
        let mut url = String::new();
        template(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .expand(TileId::new(z, x, y).expect("a tile"), &mut url);
        url
    }

    #[test]
    fn quadkeys_are_those_of_the_documentation() {
        assert_eq!(expanded("http://a.test/{quadkey}", (14, 8802, 5373)), "http://a.test/12021023322212");
        assert_eq!(expanded("http://a.test/q{q}.png", (0, 0, 0)), "http://a.test/q.png");
    }

    #[test]
    fn boxes_are_in_metres_and_neighbours_share_their_edges() {
        let url = expanded("http://a.test/?bbox={bbox-epsg-3857}", (1, 0, 0));
        assert_eq!(url, "http://a.test/?bbox=-20037508.342789244,0,0,20037508.342789244");
        for z in [5, 17, 30] {
            let tile = |x, y| bbox_m(TileId::new(z, x, y).unwrap());
            for n in [0, 7, 30] {
                assert_eq!(tile(n, n)[2], tile(n + 1, n)[0]);
                assert_eq!(tile(n, n)[1], tile(n, n + 1)[3]);
            }
        }
    }

    #[test]
    fn every_spelling_is_read() {
        let josm = "http://a.test/wms?SRS={proj}&W={width}&H={height}&BBOX={bbox}";
        assert!(expanded(josm, (0, 0, 0)).starts_with("http://a.test/wms?SRS=EPSG:3857&W=256&H=256&BBOX=-20037508.34"));
        assert_eq!(expanded("http://a.test/{TileMatrix}/{TileRow}/{TileCol}", (3, 1, 2)), "http://a.test/3/2/1");
        for (theirs, _) in SPELLINGS {
            expanded(&format!("http://a.test/{theirs}/{{z}}/{{x}}/{{y}}"), (3, 1, 2));
        }
    }
}
