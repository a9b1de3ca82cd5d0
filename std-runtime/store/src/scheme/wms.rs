//! OGC Web Map Service, asked for one tile at a time.

use super::query::{encoded, with_query};

/// What to ask a WMS for. Its projection is EPSG:3857, whose axes have the same order in both versions.
///
/// A server may answer an error as XML with status 200, so what comes back is checked to be an image like every tile.
///
/// ```
/// # use tidegate_store::scheme::{Wms, WmsVersion, template};
/// let wms = Wms { layers: "roads,rivers".to_owned(), ..Wms::default() };
/// let template = template(&wms.template("https://maps.test/wms"))?;
/// let mut url = String::new();
/// template.expand(tidegate_core::TileId::new(1, 0, 0).expect("a tile"), &mut url);
/// assert_eq!(
///     url,
///     "https://maps.test/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=roads,rivers&STYLES=&CRS=EPSG:3857\
///      &BBOX=-20037508.342789244,0,0,20037508.342789244&WIDTH=256&HEIGHT=256&FORMAT=image/png&TRANSPARENT=TRUE"
/// );
/// # Ok::<(), tidegate::template::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wms {
    /// The version of the service.
    pub version: WmsVersion,
    /// Names of layers, separated by commas.
    pub layers: String,
    /// A style for each layer, separated by commas; empty for the default ones.
    pub styles: String,
    /// The media type of the tiles.
    pub format: String,
    /// Width and height of a tile in pixels.
    pub size: u32,
    /// Whether what is not drawn is transparent.
    pub transparent: bool,
}

/// A version of the Web Map Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WmsVersion {
    /// Names the projection `SRS`.
    V1_1_1,
    /// Names the projection `CRS`.
    #[default]
    V1_3_0,
}

impl Default for Wms {
    /// Version 1.3.0, no layers, default styles, `image/png`, 256 pixels, transparent.
    fn default() -> Self {
        Self {
            version: WmsVersion::V1_3_0,
            layers: String::new(),
            styles: String::new(),
            format: "image/png".to_owned(),
            size: 256,
            transparent: true,
        }
    }
}

impl Wms {
    /// The template that asks the service at `base`.
    pub fn template(&self, base: &str) -> String {
        let (version, projection) = match self.version {
            WmsVersion::V1_1_1 => ("1.1.1", "SRS"),
            WmsVersion::V1_3_0 => ("1.3.0", "CRS"),
        };
        let transparent = if self.transparent { "TRUE" } else { "FALSE" };
        let pairs = [
            ("SERVICE", "WMS".to_owned()),
            ("VERSION", version.to_owned()),
            ("REQUEST", "GetMap".to_owned()),
            ("LAYERS", encoded(&self.layers)),
            // Must be there, even if empty.
            ("STYLES", encoded(&self.styles)),
            (projection, "EPSG:3857".to_owned()),
            ("BBOX", "{bbox-epsg-3857}".to_owned()),
            ("WIDTH", self.size.to_string()),
            ("HEIGHT", self.size.to_string()),
            ("FORMAT", encoded(&self.format)),
            ("TRANSPARENT", transparent.to_owned()),
        ];
        with_query(base, &pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::expanded;
    use super::*;

    #[test]
    fn the_older_version_names_the_projection_otherwise() {
        let wms = Wms {
            version: WmsVersion::V1_1_1,
            layers: "a b".to_owned(),
            format: "image/jpeg".to_owned(),
            size: 512,
            transparent: false,
            ..Wms::default()
        };
        let url = expanded(&wms.template("http://a.test/?map=m&service=WMS&request=GetCapabilities"), (11, 327, 791));
        assert_eq!(
            url,
            "http://a.test/?map=m&SERVICE=WMS&VERSION=1.1.1&REQUEST=GetMap&LAYERS=a%20b&STYLES=&SRS=EPSG:3857\
             &BBOX=-13638811.83098057,4539747.983913189,-13619243.951739565,4559315.863154193&WIDTH=512&HEIGHT=512\
             &FORMAT=image/jpeg&TRANSPARENT=FALSE"
        );
    }
}
