//! TileJSON 3: a document that says where tiles are and which there are.

use std::fmt;

use serde_json::{Map, Value};

use crate::area::{Bbox, BboxError, ZoomError, ZoomSet};
use crate::metadata::Metadata;

/// What a TileJSON document says.
///
/// ```
/// # use tidegate_store::scheme::TileJson;
/// let json = r#"{ "tilejson": "3.0.0", "tiles": ["https://a.test/{z}/{x}/{y}.pbf"], "minzoom": 2, "maxzoom": 9 }"#;
/// let tilejson: TileJson = json.parse()?;
/// assert_eq!(tilejson.templates, ["https://a.test/{z}/{x}/{y}.pbf"]);
/// assert_eq!(tilejson.zooms.to_string(), "2-9");
/// # Ok::<(), tidegate_store::scheme::TileJsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TileJson {
    /// Templates that all give the same tiles: the first one and its mirrors. Never empty. Rows counted from the south
    /// are `{-y}` already.
    pub templates: Vec<String>,
    /// The zooms that there are; 0 to 30 where the document does not say.
    pub zooms: ZoomSet,
    /// What to write into an archive of these tiles, their bounds among it.
    pub metadata: Metadata,
}

impl TileJson {
    /// Completes templates that are relative to the document, which was found at `base`.
    pub fn resolve(&mut self, base: &str) {
        for template in &mut self.templates {
            *template = super::reference::resolved(base, template);
        }
    }

    /// Whether some template says where tiles are only together with where the document is.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.templates.iter().any(|template| super::reference::is_relative(template))
    }

    /// Which tiles there are.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        Coverage { zooms: self.zooms, bounds: self.metadata.bounds }
    }
}

/// Which tiles a source says it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Their zooms.
    pub zooms: ZoomSet,
    /// Where they are; the whole world where that is not said.
    pub bounds: Option<Bbox>,
}

impl Coverage {
    /// Whether the tile is one of them.
    #[must_use]
    pub fn has(&self, tile: crate::TileId) -> bool {
        self.zooms.contains(tile.z()) && self.bounds.is_none_or(|bounds| bounds.has(tile))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zooms {}", self.zooms)?;
        self.bounds.map_or(Ok(()), |bounds| write!(f, " within {bounds}"))
    }
}

/// Why a document is no TileJSON.
#[derive(Debug, thiserror::Error)]
pub enum TileJsonError {
    /// It is no JSON object.
    #[error("not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// It lists no templates.
    #[error("`tiles` is not a list of URL templates; is this a style or another document?")]
    Tiles,
    /// The rows are counted in an unknown way.
    #[error("the scheme is `{0}`; only xyz and tms are known")]
    Scheme(String),
    /// A zoom is no number from 0 to 30.
    #[error("`{0}` is not a whole number from 0 to 30")]
    Zoom(&'static str),
    /// The zooms make no range.
    #[error("`minzoom` and `maxzoom`: {0}")]
    Zooms(#[from] ZoomError),
    /// The bounds are not four numbers.
    #[error("`bounds` are not four numbers: west, south, east, north")]
    Bounds,
    /// The bounds are no box.
    #[error("`bounds`: {0}")]
    Bbox(#[from] BboxError),
}

impl std::str::FromStr for TileJson {
    type Err = TileJsonError;

    fn from_str(text: &str) -> Result<Self, TileJsonError> {
        let json: Map<String, Value> = serde_json::from_str(text)?;
        let scheme = json.get("scheme").map_or("xyz", |scheme| scheme.as_str().unwrap_or("?"));
        let row = match scheme {
            "xyz" => "{y}",
            "tms" => "{-y}",
            other => return Err(TileJsonError::Scheme(other.to_owned())),
        };
        let tiles = json.get("tiles").and_then(Value::as_array).ok_or(TileJsonError::Tiles)?;
        let template = |tile: &Value| tile.as_str().map(|template| template.replace("{y}", row));
        let templates = tiles.iter().map(template).collect::<Option<Vec<_>>>().ok_or(TileJsonError::Tiles)?;
        if templates.is_empty() {
            return Err(TileJsonError::Tiles);
        }
        let zooms = ZoomSet::range(zoom(&json, "minzoom", 0)?, zoom(&json, "maxzoom", crate::TileId::ZOOM_MAX)?)?;
        let texts = Metadata::from_texts(|key| json.get(key).and_then(Value::as_str).map(str::to_owned));
        let vector_layers = json.get("vector_layers").cloned();
        let metadata = Metadata { bounds: bounds(&json)?, vector_layers, ..texts };
        Ok(Self { templates, zooms, metadata })
    }
}

fn zoom(json: &Map<String, Value>, key: &'static str, otherwise: u8) -> Result<u8, TileJsonError> {
    let Some(value) = json.get(key) else { return Ok(otherwise) };
    let zoom = value.as_u64().and_then(|zoom| u8::try_from(zoom).ok());
    zoom.filter(|zoom| *zoom <= crate::TileId::ZOOM_MAX).ok_or(TileJsonError::Zoom(key))
}

fn bounds(json: &Map<String, Value>) -> Result<Option<Bbox>, TileJsonError> {
    let Some(value) = json.get("bounds") else { return Ok(None) };
    let numbers = value.as_array().and_then(|edges| edges.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
    match numbers.as_deref() {
        Some([west, south, east, north]) => Ok(Some(Bbox::new(*west, *south, *east, *north)?)),
        _ => Err(TileJsonError::Bounds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<TileJson>().unwrap_err().to_string()
    }

    #[test]
    fn mirrors_rows_zooms_bounds_and_texts_are_read() {
        let tilejson: TileJson = r#"{
            "tilejson": "3.0.0", "scheme": "tms", "minzoom": 1, "maxzoom": 3, "bounds": [5.8, 47.2, 15.1, 55.1],
            "tiles": ["http://a.test/{z}/{x}/{y}", "http://b.test/{z}/{x}/{y}"], "attribution": "us", "name": "land",
            "vector_layers": [{ "id": "roads", "fields": {} }]
        }"#
        .parse()
        .unwrap();
        assert_eq!(tilejson.templates, ["http://a.test/{z}/{x}/{-y}", "http://b.test/{z}/{x}/{-y}"]);
        assert_eq!(tilejson.zooms.to_string(), "1-3");
        assert_eq!(tilejson.metadata.bounds, Bbox::new(5.8, 47.2, 15.1, 55.1).ok());
        assert_eq!(tilejson.metadata.attribution.as_deref(), Some("us"));
        assert!(tilejson.metadata.vector_layers.is_some());
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let tilejson: TileJson = r#"{ "tiles": ["http://a.test/{z}/{x}/{y}"] }"#.parse().unwrap();
        assert_eq!((tilejson.zooms.to_string().as_str(), tilejson.metadata), ("0-30", Metadata::default()));
    }

    #[test]
    fn what_there_is_is_told_by_zoom_and_place() {
        let document = r#"{ "tiles": ["t/{z}/{x}/{y}"], "maxzoom": 3, "bounds": [-10, 35, 30, 70] }"#;
        let coverage = document.parse::<TileJson>().unwrap().coverage();
        let has = |z, x, y| coverage.has(crate::TileId::new(z, x, y).unwrap());
        assert!(has(0, 0, 0) && has(3, 4, 2) && !has(3, 0, 0) && !has(4, 8, 5));
        assert_eq!(coverage.to_string(), "zooms 0-3 within -10,35,30,70");
    }

    #[test]
    fn errors_name_the_field() {
        assert!(refused("[]").starts_with("not a JSON object: "));
        assert!(refused("{}").starts_with("`tiles` is not a list of URL templates"));
        assert!(refused(r#"{ "tiles": [] }"#).starts_with("`tiles` is not a list"));
        assert!(refused(r#"{ "tiles": [1] }"#).starts_with("`tiles` is not a list"));
        let with = |field: &str| refused(&format!(r#"{{ "tiles": ["http://a.test/{{z}}/{{x}}/{{y}}"], {field} }}"#));
        assert_eq!(with(r#""scheme": "zxy""#), "the scheme is `zxy`; only xyz and tms are known");
        assert_eq!(with(r#""maxzoom": 31"#), "`maxzoom` is not a whole number from 0 to 30");
        assert_eq!(
            with(r#""minzoom": 9, "maxzoom": 2"#),
            "`minzoom` and `maxzoom`: the zoom range 9-2 runs backwards; write 2-9"
        );
        assert_eq!(with(r#""bounds": [1, 2]"#), "`bounds` are not four numbers: west, south, east, north");
        assert!(with(r#""bounds": [0, 9, 1, 2]"#).starts_with("`bounds`: south 9 is greater than north 2"));
    }
}
