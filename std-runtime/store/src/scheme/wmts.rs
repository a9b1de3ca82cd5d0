//! OGC Web Map Tile Service 1.0.0 (07-057r7).

use super::query::{encoded, with_query};

/// What tells one set of tiles of a WMTS from another. The set has to be the usual grid (`GoogleMapsCompatible`).
///
/// ```
/// # use tidegate_store::scheme::{Wmts, template};
/// let wmts = Wmts { layer: "topo".to_owned(), ..Wmts::default() };
/// let template = template(&wmts.key_value("https://maps.test/wmts"))?;
/// let mut url = String::new();
/// template.expand(tidegate_core::TileId::new(3, 1, 2).expect("a tile"), &mut url);
/// assert_eq!(
///     url,
///     "https://maps.test/wmts?service=WMTS&request=GetTile&version=1.0.0&layer=topo&style=default&format=image/png\
///      &TileMatrixSet=GoogleMapsCompatible&TileMatrix=3&TileRow=2&TileCol=1"
/// );
/// # Ok::<(), tidegate::template::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wmts {
    /// The layer's identifier.
    pub layer: String,
    /// The style's identifier.
    pub style: String,
    /// The media type of the tiles.
    pub format: String,
    /// The identifier of the tile matrix set.
    pub matrix_set: String,
    /// What stands before the zoom in the identifiers of its matrices, for example `EPSG:3857:`.
    pub matrix_prefix: String,
}

impl Default for Wmts {
    /// No layer, style `default`, format `image/png`, matrix set `GoogleMapsCompatible`, no prefix.
    fn default() -> Self {
        Self {
            layer: String::new(),
            style: "default".to_owned(),
            format: "image/png".to_owned(),
            matrix_set: "GoogleMapsCompatible".to_owned(),
            matrix_prefix: String::new(),
        }
    }
}

impl Wmts {
    /// The template that asks the service at `base` by key and value.
    pub fn key_value(&self, base: &str) -> String {
        let pairs = [
            ("service", "WMTS".to_owned()),
            ("request", "GetTile".to_owned()),
            ("version", "1.0.0".to_owned()),
            ("layer", encoded(&self.layer)),
            ("style", encoded(&self.style)),
            ("format", encoded(&self.format)),
            ("TileMatrixSet", encoded(&self.matrix_set)),
            ("TileMatrix", self.matrix()),
            ("TileRow", "{y}".to_owned()),
            ("TileCol", "{x}".to_owned()),
        ];
        with_query(base, &pairs)
    }

    /// The template from the one that the server publishes as `ResourceURL`, whose order is its own. Placeholders other
    /// than those of the service, such as `{Time}`, stay and have to be replaced by a value.
    pub fn resource(&self, resource_url: &str) -> String {
        let values = [
            ("layer", encoded(&self.layer)),
            ("style", encoded(&self.style)),
            ("tilematrixset", encoded(&self.matrix_set)),
            ("tilematrix", self.matrix()),
            ("tilerow", "{y}".to_owned()),
            ("tilecol", "{x}".to_owned()),
        ];
        let mut out = String::new();
        let mut rest = resource_url;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, inner)| Some((before, inner.split_once('}')?)))
        {
            out.push_str(before);
            match values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, value)) => out.push_str(value),
                None => out.push_str(&format!("{{{name}}}")),
            }
            rest = after;
        }
        out + rest
    }

    fn matrix(&self) -> String {
        format!("{}{{z}}", encoded(&self.matrix_prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::super::tests::expanded;
    use super::*;

    #[test]
    fn a_published_template_keeps_its_own_order() {
        let wmts = Wmts {
            layer: "geolandbasemap".to_owned(),
            style: "normal".to_owned(),
            matrix_set: "google3857".to_owned(),
            ..Wmts::default()
        };
        let published = "https://maps.test/{Layer}/{Style}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.png";
        let url = expanded(&wmts.resource(published), (3, 1, 2));
        assert_eq!(url, "https://maps.test/geolandbasemap/normal/google3857/3/2/1.png");
        let simple = "https://maps.test/{layer}/{TileMatrixSet}/{TileMatrix}/{TileCol}/{TileRow}.png";
        let url = expanded(&wmts.resource(simple), (3, 1, 2));
        assert_eq!(url, "https://maps.test/geolandbasemap/google3857/3/1/2.png");
    }

    #[test]
    fn matrices_may_be_named_with_a_prefix() {
        let wmts = Wmts { matrix_prefix: "EPSG:3857:".to_owned(), ..Wmts::default() };
        let url = expanded(&wmts.key_value("https://maps.test/?key=k"), (3, 1, 2));
        assert!(url.starts_with("https://maps.test/?key=k&service=WMTS&"), "{url}");
        assert!(url.ends_with("&TileMatrix=EPSG:3857:3&TileRow=2&TileCol=1"), "{url}");
    }

    #[test]
    fn what_only_the_user_can_fill_in_is_named() {
        let left = Wmts::default().resource("https://maps.test/{Time}/{TileMatrix}/{TileRow}/{TileCol}.png");
        let message = template(&left).unwrap_err().to_string();
        assert!(message.starts_with("{Time} in the URL template is not known"), "{message}");
    }
}
