//! Which tiles to fetch: boxes, routes with a corridor, or a list; all of them, or one shard.

use std::{fs, path::PathBuf};

use clap::Args;
use tidegate_store::area::{Area, Bbox, Corridor, Region, Shard, ZoomSet};

use crate::exit::Fatal;

/// The flags that choose tiles.
#[derive(Debug, Args)]
pub(super) struct AreaArgs {
    /// A box as west,south,east,north in degrees; may be given several times, and reach across the antimeridian
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Vec<Bbox>,
    /// A GeoJSON file with the lines to follow; may be given several times
    #[arg(long, value_name = "FILE")]
    route: Vec<PathBuf>,
    /// How wide the corridor along a route is, from edge to edge, 1m to 200km: 500m, 2.5km; a bare number is metres
    #[arg(long, value_name = "WIDTH", default_value = "1km", value_parser = metres)]
    corridor: f64,
    /// The zooms of boxes and routes, as in 0-6, 3 or 2,5-7; parents come before their children
    #[arg(long, value_name = "ZOOMS")]
    zooms: Option<ZoomSet>,
    /// A file with one z/x/y a line, instead of boxes, routes and zooms; # begins a comment
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bbox", "route", "zooms"])]
    list: Option<PathBuf>,
    /// Only part K of N, by ranges of the Hilbert curve: N workers, one number each, fetch every tile once
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
}

impl AreaArgs {
    /// The tiles that the flags ask for.
    pub(super) fn area(&self) -> Result<Area, Fatal> {
        let whole = match &self.list {
            Some(list) => {
                Area::from_list(list).map_err(|error| Fatal::usage(format!("--list={}: {error}", list.display())))?
            }
            None => self.regions()?,
        };
        Ok(self.shard.map_or(whole.clone(), |shard| whole.shard(shard)))
    }

    fn regions(&self) -> Result<Area, Fatal> {
        let boxes = self.bbox.iter().copied().map(|bbox| Ok(Region::Bbox(bbox)));
        let routes = self.route.iter().map(|path| self.corridor_along(path).map(Region::Corridor));
        let regions = boxes.chain(routes).collect::<Result<Vec<_>, Fatal>>()?;
        if regions.is_empty() {
            return Err(Fatal::usage("which tiles? give --bbox W,S,E,N or --route FILE, or --list FILE"));
        }
        let zooms = self.zooms.ok_or_else(|| Fatal::usage("--zooms: which ones? give them as in --zooms 0-6"))?;
        Ok(Area::new(regions, zooms))
    }

    fn corridor_along(&self, path: &PathBuf) -> Result<Corridor, Fatal> {
        let name = |error: &dyn std::fmt::Display| Fatal::usage(format!("--route={}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| name(&error))?;
        Corridor::from_geojson(&text, self.corridor).map_err(|error| name(&error))
    }

    /// What was understood, to be compared with what was meant; where nobody may be looking, without saying where that is.
    pub(super) fn echo(&self, named: bool) -> String {
        let shown = if named { &self.bbox[..] } else { &[] };
        let boxes = shown.iter().map(|bbox| format!("west,south,east,north = {bbox}"));
        let count = match (named, self.bbox.len()) {
            (true, _) | (false, 0) => None,
            (false, 1) => Some("a box".to_owned()),
            (false, count) => Some(format!("{count} boxes")),
        };
        let boxes = boxes.chain(count);
        let width = self.corridor;
        let routes = self.route.iter().map(|path| format!("{width} m along {}", path.display()));
        let list = self.list.iter().map(|path| format!("listed in {}", path.display()));
        let shard = self.shard.iter().map(|shard| format!("shard {shard}"));
        boxes.chain(routes).chain(list).chain(shard).collect::<Vec<_>>().join("; ")
    }
}

/// `500m`, `2.5km`; a bare number is metres.
fn metres(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix("km") {
        Some(number) => (number, 1_000.0),
        None => (text.strip_suffix('m').unwrap_or(text), 1.0),
    };
    match number.trim().parse::<f64>().map(|number| number * unit) {
        Ok(metres) if (1.0..=200_000.0).contains(&metres) => Ok(metres),
        Ok(_) | Err(_) => Err("not a width; give 1m to 200km, as in 500m or 2.5km".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read_in_metres_and_kilometres() {
        assert_eq!(metres("500m"), Ok(500.0));
        assert_eq!(metres("2.5km"), Ok(2_500.0));
        assert_eq!(metres("750"), Ok(750.0));
        for bad in ["", "km", "0", "201km", "-5m", "NaN", "5 miles"] {
            assert!(metres(bad).is_err_and(|text| text.contains("500m or 2.5km")), "{bad}");
        }
    }
}
