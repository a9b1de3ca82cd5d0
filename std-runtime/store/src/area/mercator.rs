//! Web Mercator, with the world as the unit square: (0, 0) is the north-west corner, (1, 1) the south-east one.

use std::f64::consts::PI;

/// The latitude at which the projection is cut off so that the world is a square: atan(sinh π) in degrees.
pub(crate) const LATITUDE_MAX: f64 = 85.051_128_779_806_6;

/// Position across, from longitude in degrees: 0 at -180, 1 at 180.
pub(crate) fn across(longitude: f64) -> f64 {
    (longitude + 180.0) / 360.0
}

/// Position down, from latitude in degrees: 0 at the northern limit, 1 at the southern one; beyond them it is clamped.
pub(crate) fn down(latitude: f64) -> f64 {
    let latitude = latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX).to_radians();
    (1.0 - latitude.tan().asinh() / PI) / 2.0
}

/// Longitude in degrees of a position across.
pub(crate) fn longitude(across: f64) -> f64 {
    across * 360.0 - 180.0
}

/// Latitude in degrees of a position down.
pub(crate) fn latitude(down: f64) -> f64 {
    (PI * (1.0 - 2.0 * down)).sinh().atan().to_degrees()
}

/// The column or row at `zoom` that holds `position`; 1.0 belongs to the last one.
pub(crate) fn index(position: f64, zoom: u8) -> u32 {
    let count = 1_u64 << zoom;
    // The cast saturates, so what rounding puts below 0 or beyond the last is clamped.
    ((position * count as f64).floor() as u64).min(count - 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_places_fall_into_known_tiles() {
        // Berlin, the worked example of the quadkey documentation; and both ends of the world.
        assert_eq!((index(across(13.41), 14), index(down(52.52), 14)), (8802, 5373));
        assert_eq!((index(across(-180.0), 14), index(across(180.0), 14)), (0, 16383));
        assert_eq!((index(down(90.0), 3), index(down(-90.0), 3)), (0, 7));
        assert_eq!(index(across(180.0), 0), 0);
    }

    #[test]
    fn corners_and_back_agree() {
        for position in [0.0, 0.1, 0.5, 0.987, 1.0] {
            assert!((across(longitude(position)) - position).abs() < 1e-12);
            assert!((down(latitude(position)) - position).abs() < 1e-12);
        }
        assert!((latitude(0.0) - LATITUDE_MAX).abs() < 1e-9);
    }
}
