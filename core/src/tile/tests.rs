extern crate std;
use super::*;
use std::{format, string::ToString, vec::Vec};

fn tile(text: &str) -> TileId {
    text.parse().expect("a tile")
}

fn all_tiles(zoom_max: u8) -> impl Iterator<Item = TileId> {
    (0..=zoom_max).flat_map(|z| {
        let count = 1 << z;
        (0..count).flat_map(move |x| (0..count).map(move |y| TileId::new(z, x, y).expect("inside the grid")))
    })
}

#[test]
fn the_location_appears_only_where_it_is_asked_for_by_name() {
    let place = tile("12/3423/1763");
    assert_eq!(format!("{place} {place:?}"), "z12/… TileId(z12/…)");
    assert_eq!(format!("{:?}", place.show_location()), "ShowLocation(TileId(z12/…))");
    assert_eq!(format!("{:?}", place.show_quadkey()), "ShowQuadkey(TileId(z12/…))");
    assert_eq!(format!("{:?}", place.ancestors()), "Ancestors { next: Some(TileId(z11/…)) }");
    assert_eq!(place.show_location().to_string(), "12/3423/1763");
}

#[test]
fn an_error_says_the_range_but_not_the_column_or_row() {
    let texts = [
        (TileId::new(31, 0, 0), "zoom 31 is too high: the highest is 30"),
        (TileId::new(3, 8, 0), "the column is outside zoom 3: its columns run from 0 to 7"),
        (TileId::new(3, 0, 8), "the row is outside zoom 3: its rows run from 0 to 7"),
        (TileId::new(0, 1, 1), "the column is outside zoom 0: its columns run from 0 to 0"),
        ("12/3423".parse(), "not a tile: write zoom, column and row in digits, such as 3/4/2"),
    ];
    for (result, text) in texts {
        assert_eq!(result.expect_err(text).to_string(), text);
    }
}

#[test]
fn the_narrowest_tile_is_3_7_cm_wide_at_the_equator() {
    let equator_mm = 40_075_016_686u64;
    assert_eq!(equator_mm >> TileId::ZOOM_MAX, 37);
}

#[test]
fn the_grid_has_its_corners_at_every_zoom() {
    for z in 0..=TileId::ZOOM_MAX {
        let last = (1u32 << z) - 1;
        assert!(TileId::new(z, last, last).is_ok());
        assert_eq!(TileId::new(z, last + 1, 0), Err(TileError::Column { zoom: z }));
        assert_eq!(TileId::new(z, 0, last + 1), Err(TileError::Row { zoom: z }));
        assert_eq!(TileId::new(z, 0, u32::MAX), Err(TileError::Row { zoom: z }));
    }
    for z in 31..=u8::MAX {
        assert_eq!(TileId::new(z, 0, 0), Err(TileError::Zoom { zoom: z }));
    }
}

#[test]
fn text_is_read_back_and_anything_else_is_refused() {
    for place in all_tiles(4) {
        assert_eq!(place.show_location().to_string().parse(), Ok(place));
    }
    for bad in ["", "/", "//", "1/0", "1/0/0/0", "1/0/0/", "+1/0/0", "1/-0/0", " 1/0/0", "1/0/0x", "1/٣/0", "1//0"] {
        assert_eq!(bad.parse::<TileId>(), Err(TileError::Text), "{bad:?}");
    }
    assert_eq!("256/0/0".parse::<TileId>(), Err(TileError::Text));
    assert_eq!("1/4294967296/0".parse::<TileId>(), Err(TileError::Text));
    assert_eq!("31/0/0".parse::<TileId>(), Err(TileError::Zoom { zoom: 31 }));
}

#[test]
fn children_and_parents_are_each_others_inverse() {
    for place in all_tiles(6) {
        let children = place.children().expect("zoom 7 exists");
        assert!(children.iter().all(|child| child.parent() == Some(place)));
        let corners = children.map(|child| (child.x() - 2 * place.x(), child.y() - 2 * place.y()));
        assert_eq!(corners, [(0, 0), (1, 0), (0, 1), (1, 1)], "north-west, north-east, south-west, south-east");
    }
    assert_eq!(TileId::WORLD.parent(), None);
    assert_eq!(TileId::new(TileId::ZOOM_MAX, 0, 0).expect("in the grid").children(), None);
}

#[test]
fn ancestors_end_with_the_world() {
    let chain: Vec<_> = tile("5/19/11").ancestors().map(|up| up.show_location().to_string()).collect();
    assert_eq!(chain, ["4/9/5", "3/4/2", "2/2/1", "1/1/0", "0/0/0"]);
    assert_eq!(tile("5/19/11").ancestor(3), Some(tile("3/4/2")));
    assert_eq!(tile("5/19/11").ancestor(5), Some(tile("5/19/11")));
    assert_eq!(tile("5/19/11").ancestor(6), None);
    assert_eq!(TileId::WORLD.ancestors().next(), None);
    let deepest = TileId::new(30, 987_654_321, 123_456_789).expect("in the grid");
    assert_eq!(deepest.ancestors().count(), 30);
    assert!(deepest.ancestors().all(|up| deepest.ancestor(up.z()) == Some(up)), "one step or many");
}

#[test]
fn the_tms_row_counts_from_the_south() {
    // The example of the MBTiles 1.3 specification.
    assert_eq!(tile("11/327/791").tms_row(), 1256);
    assert_eq!(TileId::from_tms(11, 327, 1256), Ok(tile("11/327/791")));
    assert_eq!(TileId::from_tms(3, 0, 8), Err(TileError::Row { zoom: 3 }));
    for place in all_tiles(6) {
        assert_eq!(TileId::from_tms(place.z(), place.x(), place.tms_row()), Ok(place));
    }
}

#[test]
fn quadkeys_interleave_column_and_row() {
    assert_eq!(TileId::WORLD.show_quadkey().to_string(), "");
    assert_eq!(tile("3/3/5").show_quadkey().to_string(), "213");
    assert_eq!(tile("14/8802/5373").show_quadkey().to_string(), "12021023322212");
    // A child's quadkey is its parent's and its own place in it.
    for place in all_tiles(5) {
        for (digit, child) in place.children().expect("zoom 6 exists").iter().enumerate() {
            assert_eq!(child.show_quadkey().to_string(), format!("{}{digit}", place.show_quadkey()));
        }
    }
}
