//! Corridors along lines: every tile that comes within a distance of a route.
//!
//! A line is cut into pieces so short that each is straight on the map, and each piece is widened by the distance, as
//! long as it is on the map at the piece's highest latitude: Web Mercator stretches all directions alike, by
//! 1/cos(latitude). So no tile within the distance is missed; a few beyond it are taken as well, at most a tenth farther
//! for corridors up to 20 km wide below 75 degrees.
//!
//! Distances are those on a sphere with the Earth's mean radius, right to half a percent.

use std::f64::consts::TAU;
use std::sync::Arc;

use geojson::{GeoJson, GeometryValue, Position};

use super::capsule::Capsule;
use super::mercator::{LATITUDE_MAX, across, down};

/// All that is within some distance of lines and points.
///
/// ```
/// # use tidegate_store::area::{Area, Corridor, Region};
/// let route = r#"{ "type": "LineString", "coordinates": [[179.9, -17.0], [-179.9, -16.9]] }"#;
/// let corridor = Corridor::from_geojson(route, 2_000.0)?; // 1 km to either side, across the antimeridian
/// let area = Area::new(vec![Region::Corridor(corridor)], "0-8".parse()?);
/// assert_eq!(area.count(), 17);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corridor {
    pub(super) capsules: Arc<[Capsule]>,
}

/// Why there is no corridor along something.
#[derive(Debug, thiserror::Error)]
pub enum CorridorError {
    /// The text is no GeoJSON.
    #[error("not GeoJSON: {}; export the route as a LineString", without_value(.0))]
    GeoJson(Box<geojson::Error>),
    /// There is something that a corridor cannot follow.
    #[error("a corridor cannot follow a {0}; give lines or points, or a box for an area")]
    Geometry(&'static str),
    /// There is neither a line nor a point.
    #[error("there is no line and no point in the GeoJSON; export the route as a LineString")]
    Empty,
    /// A position is not on Earth. It is told by its number, and not shown: that is where somebody goes.
    #[error(
        "position {number} is not longitude,latitude in degrees; write the longitude first, and latitudes from -90 to 90"
    )]
    Position {
        /// Which of the text's positions, counted from 1.
        number: u64,
    },
    /// The width makes no sense.
    #[error("a corridor of {0} m is not between {WIDTH_M_MIN} m and {WIDTH_M_MAX} m wide")]
    Width(f64),
}

/// The narrowest corridor, in metres.
const WIDTH_M_MIN: f64 = 1.0;
/// The widest corridor, in metres. Beyond it the map's scale changes too much from one side to the other.
const WIDTH_M_MAX: f64 = 200_000.0;
/// Mean radius of the Earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;
/// A piece spans at most this much latitude. On the map it is then straight to within a few metres.
const PIECE_DEG_MAX: f64 = 0.05;

impl Corridor {
    /// The corridor along the lines of a GeoJSON text (a geometry, feature or collection), and around its points.
    /// `width_m` is from edge to edge, in metres, from 1 to 200,000: half of it lies on either side.
    ///
    /// A step of more than 180 degrees of longitude is taken to cross the antimeridian.
    ///
    /// # Errors
    /// When the text is no GeoJSON, has polygons or no line at all, a position is not on Earth, or the width is out of
    /// range.
    pub fn from_geojson(text: &str, width_m: f64) -> Result<Self, CorridorError> {
        if !(WIDTH_M_MIN..=WIDTH_M_MAX).contains(&width_m) {
            return Err(CorridorError::Width(width_m));
        }
        let geojson: GeoJson = text.parse().map_err(|error| CorridorError::GeoJson(Box::new(error)))?;
        let mut line = Lines { radius_m: width_m / 2.0, positions: 0, capsules: Vec::new() };
        match geojson {
            GeoJson::Geometry(geometry) => line.geometry(&geometry.value)?,
            GeoJson::Feature(feature) => line.feature(&feature)?,
            GeoJson::FeatureCollection(collection) => {
                collection.features.iter().try_for_each(|feature| line.feature(feature))?;
            }
        }
        if line.capsules.is_empty() {
            return Err(CorridorError::Empty);
        }
        Ok(Self { capsules: line.capsules.into() })
    }
}

/// Collects the pieces of lines.
struct Lines {
    radius_m: f64,
    /// Positions read so far.
    positions: u64,
    capsules: Vec<Capsule>,
}

impl Lines {
    fn feature(&mut self, feature: &geojson::Feature) -> Result<(), CorridorError> {
        feature.geometry.as_ref().map_or(Ok(()), |geometry| self.geometry(&geometry.value))
    }

    fn geometry(&mut self, value: &GeometryValue) -> Result<(), CorridorError> {
        match value {
            GeometryValue::Point { coordinates } => self.line(std::slice::from_ref(coordinates)),
            GeometryValue::MultiPoint { coordinates } => {
                coordinates.iter().try_for_each(|point| self.line(std::slice::from_ref(point)))
            }
            GeometryValue::LineString { coordinates } => self.line(coordinates),
            GeometryValue::MultiLineString { coordinates } => coordinates.iter().try_for_each(|line| self.line(line)),
            GeometryValue::GeometryCollection { geometries } => {
                geometries.iter().try_for_each(|geometry| self.geometry(&geometry.value))
            }
            GeometryValue::Polygon { .. } => Err(CorridorError::Geometry("Polygon")),
            GeometryValue::MultiPolygon { .. } => Err(CorridorError::Geometry("MultiPolygon")),
        }
    }

    fn line(&mut self, positions: &[Position]) -> Result<(), CorridorError> {
        let mut last: Option<(f64, f64)> = None;
        for position in positions {
            self.positions += 1;
            let on_earth = degrees(position).ok_or(CorridorError::Position { number: self.positions });
            let (longitude, latitude) = on_earth?;
            let (from, to) = match last {
                None => ((longitude, latitude), (longitude, latitude)),
                Some(from) => (from, (from.0 + shorter_way(longitude - from.0), latitude)),
            };
            // A line's first position is only the beginning of its first segment; a point is all there is.
            if last.is_some() || positions.len() == 1 {
                self.segment(from, to);
            }
            last = Some((longitude, latitude));
        }
        Ok(())
    }

    /// Cuts a segment, straight in longitude and latitude, into pieces that are straight on the map.
    fn segment(&mut self, from: (f64, f64), to: (f64, f64)) {
        let count = ((to.1 - from.1).abs() / PIECE_DEG_MAX).ceil().max(1.0) as u32;
        let at = |part: u32| {
            let share = f64::from(part) / f64::from(count);
            (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
        };
        for part in 0..count {
            self.piece(at(part), at(part + 1));
        }
    }

    fn piece(&mut self, from: (f64, f64), to: (f64, f64)) {
        let reach = self.radius_m / EARTH_RADIUS_M;
        let farthest = from.1.abs().max(to.1.abs()).min(LATITUDE_MAX).to_radians() + reach;
        // How far the piece, bent on the map, runs beside the straight line between its ends: a chord's sagitta.
        let span = (to.1 - from.1).to_radians();
        let bend = span * span / 8.0 * farthest.tan() / farthest.cos();
        let radius = (reach / farthest.cos() + bend) / TAU;
        let capsule = Capsule::new([across(from.0), down(from.1)], [across(to.0), down(to.1)], radius);
        self.capsules.extend(capsule.around_the_world());
    }
}

/// Longitude and latitude; `None` where that is not on Earth.
fn degrees(position: &Position) -> Option<(f64, f64)> {
    let [longitude, latitude, ..] = *position.as_slice() else { return None };
    let on_earth = (-360.0..=360.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude);
    on_earth.then_some((longitude, latitude))
}

/// What was expected and where, without what stands there: it may be somebody's position.
fn without_value(error: &geojson::Error) -> String {
    let text = error.to_string();
    ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|found| {
            let (before, value) = text.split_once(found)?;
            let (_, expected) = value.rsplit_once(", expected ")?;
            Some(format!("{before}expected {expected}"))
        })
        .unwrap_or(text)
}

/// The same step in longitude, but not more than half around the world.
fn shorter_way(step: f64) -> f64 {
    step - (step / 360.0).round() * 360.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::mercator::{latitude, longitude};
    use super::super::{Area, Region};
    use super::*;

    fn corridor(coordinates: &str, width_m: f64) -> Result<Corridor, CorridorError> {
        Corridor::from_geojson(&format!(r#"{{"type":"LineString","coordinates":{coordinates}}}"#), width_m)
    }

    fn tiles(corridor: Corridor, zoom: &str) -> Vec<(u32, u32)> {
        let area = Area::new(vec![Region::Corridor(corridor)], zoom.parse().unwrap());
        let tiles: Vec<_> = area.tiles().map(|tile| tile.unwrap()).map(|tile| (tile.x(), tile.y())).collect();
        assert_eq!(area.count(), tiles.len() as u64, "counting and visiting disagree");
        tiles
    }

    /// Distance in metres between two places in degrees (haversine).
    fn distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
        let half = |x: f64, y: f64| ((y - x).to_radians() / 2.0).sin().powi(2);
        let h = half(a.1, b.1) + a.1.to_radians().cos() * b.1.to_radians().cos() * half(a.0, b.0);
        2.0 * EARTH_RADIUS_M * h.sqrt().asin()
    }

    /// How near a tile comes to a line, by trying points all over both.
    fn nearest_m(zoom: u8, tile: (u32, u32), from: (f64, f64), to: (f64, f64)) -> f64 {
        let places = |n: u32| (0..=n).map(move |i| f64::from(i) / f64::from(n));
        let at = |index: u32, share: f64| (f64::from(index) + share) / f64::from(1_u32 << zoom);
        let line = || places(32).map(|t| (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t));
        let mut nearest = f64::MAX;
        for u in places(8) {
            for v in places(8) {
                let place = (longitude(at(tile.0, u)), latitude(at(tile.1, v)));
                nearest = line().map(|on| distance_m(place, on)).fold(nearest, f64::min);
            }
        }
        nearest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn no_tile_within_the_distance_is_missed_and_hardly_one_beyond_it_is_taken(
            longitude in -180.0..180.0, latitude in -75.0..75.0_f64, east in -0.2..0.2, north in -0.1..0.1,
            width_m in 500.0..20_000.0,
        ) {
            let (from, to) = ((longitude, latitude), (longitude + east, latitude + north));
            let zoom = 11;
            let corridor = corridor(&format!("[[{},{}],[{},{}]]", from.0, from.1, to.0, to.1), width_m).unwrap();
            let taken = tiles(corridor, "11");
            let radius_m = width_m / 2.0;
            // Sampling overestimates the distance by half a step of the tile and of the line at the most.
            let step_m = 40_075_017.0 / 2048.0 / 8.0 + distance_m(from, to) / 32.0;
            for tile in &taken {
                let nearest = nearest_m(zoom, *tile, from, to);
                prop_assert!(nearest <= radius_m * 1.1 + step_m, "{tile:?} is {nearest} m away");
            }
            let (x, y) = taken[0];
            for dx in -3..=3_i64 {
                for dy in -3..=3_i64 {
                    let tile = ((i64::from(x) + dx).rem_euclid(2048) as u32, (i64::from(y) + dy).clamp(0, 2047) as u32);
                    if nearest_m(zoom, tile, from, to) <= radius_m {
                        prop_assert!(taken.contains(&tile), "{tile:?} is missed");
                    }
                }
            }
        }
    }

    #[test]
    fn the_map_is_as_wide_as_the_ground_demands_at_every_latitude() {
        // 100 km across at the equator are 5.1 tiles of zoom 11; in the north of Norway, at 70 degrees, 15.
        let columns = |latitude: f64| {
            let taken = tiles(corridor(&format!("[[20,{latitude}],[20,{latitude}]]"), 100_000.0).unwrap(), "11");
            let (first, last) = (taken.iter().map(|t| t.0).min().unwrap(), taken.iter().map(|t| t.0).max().unwrap());
            last - first + 1
        };
        assert!((6..=7).contains(&columns(0.0)), "{}", columns(0.0));
        assert!((15..=17).contains(&columns(70.0)), "{}", columns(70.0));
    }

    #[test]
    fn a_line_across_the_antimeridian_takes_the_short_way() {
        for coordinates in
            ["[[179.99,-17],[-179.99,-17]]", "[[179.99,-17],[180.01,-17]]", "[[-180.01,-17],[-179.99,-17]]"]
        {
            let mut columns: Vec<_> = tiles(corridor(coordinates, 1000.0).unwrap(), "8").iter().map(|t| t.0).collect();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns, [0, 255], "{coordinates}");
        }
    }

    #[test]
    fn a_corridor_beside_the_antimeridian_reaches_over_it() {
        let columns: Vec<_> =
            tiles(corridor("[[179.999,0.1],[179.999,0.1]]", 1000.0).unwrap(), "8").iter().map(|t| t.0).collect();
        assert_eq!(columns, [255, 0].map(|x| if columns[0] == 0 { 255 - x } else { x }));
    }

    #[test]
    fn features_collections_and_points_are_followed() {
        let line = r#"{"type":"LineString","coordinates":[[13.4,52.5],[13.5,52.5]]}"#;
        let feature = format!(r#"{{"type":"Feature","properties":{{}},"geometry":{line}}}"#);
        let features = format!(r#"{{"type":"FeatureCollection","features":[{feature}]}}"#);
        let geometries = format!(r#"{{"type":"GeometryCollection","geometries":[{line}]}}"#);
        let alike = |text: &str| tiles(Corridor::from_geojson(text, 500.0).unwrap(), "12");
        for text in [&feature, &features, &geometries] {
            assert_eq!(alike(text), alike(line));
        }
        assert_eq!(alike(r#"{"type":"Point","coordinates":[13.41,52.52]}"#), [(2200, 1343)]);
    }

    #[test]
    fn no_error_shows_a_position() {
        for text in [
            r#"{"type":"LineString","coordinates":[["13.41","52.5"]]}"#,
            r#"{"type":"LineString","coordinates":"13.41, expected 52.5, expected"}"#,
            r#"{"type":"LineString","coordinates":[[13.41]]}"#,
            r#"{"type":"LineString","coordinates":[[13.41,152.5]]}"#,
            r#"{"type":"Feature","geometry":null,"properties":13.41}"#,
            r#"[13.41,52.5]"#,
            "13.41",
        ] {
            let error = Corridor::from_geojson(text, 10.0).unwrap_err();
            let shown = error.to_string();
            assert!(!shown.contains("13.4") && !shown.contains("52.5"), "{text}: {shown}");
        }
    }

    const POSITION_2: &str =
        "position 2 is not longitude,latitude in degrees; write the longitude first, and latitudes from -90 to 90";

    #[test]
    fn errors_name_the_value_and_the_fix() {
        let message = |text: &str, width| Corridor::from_geojson(text, width).unwrap_err().to_string();
        let line = r#"{"type":"LineString","coordinates":[[13.4,52.5],[13.5,99]]}"#;
        assert_eq!(message(line, 10.0), POSITION_2);
        assert_eq!(message(line, 0.0), "a corridor of 0 m is not between 1 m and 200000 m wide");
        assert!(message(line, f64::NAN).starts_with("a corridor of NaN m"));
        assert!(message("route", 10.0).starts_with("not GeoJSON: "));
        let polygon = r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#;
        assert_eq!(
            message(polygon, 10.0),
            "a corridor cannot follow a Polygon; give lines or points, or a box for an area"
        );
        assert!(message(r#"{"type":"FeatureCollection","features":[]}"#, 10.0).starts_with("there is no line"));
    }
}
