//! The ways in which a tile server wants to be asked, by flag.

use clap::{Args, ValueEnum, builder::PossibleValue};
use tidegate_store::scheme::{Wms, WmsVersion, Wmts};

use crate::{exit::Fatal, fetch::Again};

/// The flags that say how a server wants to be asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct SchemeArgs {
    /// How the server wants to be asked. The URL template may have {s}, {switch:a,b}, {r}, {quadkey}, {bbox-epsg-3857}, {-y}
    /// and the names of WMTS in each of them
    #[arg(long, value_enum, default_value = "xyz")]
    pub(crate) scheme: Scheme,
    /// The layers of a WMS, separated by commas, or the layer of a WMTS
    #[arg(long, value_name = "NAMES")]
    layers: Option<String>,
    /// The styles of a WMS (empty where absent), or the style of a WMTS ("default" where absent)
    #[arg(long, value_name = "NAMES")]
    styles: Option<String>,
    /// The media type that a WMS or WMTS is asked for
    #[arg(long, value_name = "TYPE", default_value = "image/png")]
    media_type: String,
    /// The matrix set of a WMTS; its grid has to be the usual one
    #[arg(long, value_name = "NAME", default_value = "GoogleMapsCompatible")]
    matrix_set: String,
    /// What stands before the zoom in the names of a WMTS's matrices, as in EPSG:3857:
    #[arg(long, value_name = "TEXT", default_value = "")]
    matrix_prefix: String,
}

/// How a server wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// A URL template
    Xyz,
    /// A URL template whose rows are counted from the south
    Tms,
    /// A URL template with {quadkey}
    Quadkey,
    /// WMTS: the address of the service, or its ResourceURL with {TileMatrix}, {TileRow} and {TileCol}
    Wmts,
    /// WMS 1.3.0: the address of the service
    Wms,
    /// WMS 1.1.1: the address of the service
    #[value(name = "wms-1.1.1")]
    Wms111,
    /// The address of a TileJSON document; fetch asks for the zooms and bounds that it names, and for nothing else. Further
    /// `tiles` in it are mirrors, but where the preset is polite
    Tilejson,
}

impl SchemeArgs {
    /// The URL template that `url` means. That of a TileJSON document is in the document.
    pub(crate) fn template(&self, url: &str) -> Result<String, Fatal> {
        let wms = |version| self.wms(version).map(|wms| wms.template(url));
        match self.scheme {
            Scheme::Xyz | Scheme::Tilejson => Ok(url.to_owned()),
            Scheme::Tms => Ok(rows_from_the_south(url)),
            Scheme::Quadkey if url.contains("{quadkey}") || url.contains("{q}") => Ok(url.to_owned()),
            Scheme::Quadkey => Err(Fatal::usage(
                "--scheme=quadkey: the URL template has no {quadkey}; put it where the key belongs, as in https://host/{quadkey}.jpg",
            )),
            Scheme::Wmts if url.contains('{') => Ok(self.wmts()?.resource(url)),
            Scheme::Wmts => Ok(self.wmts()?.key_value(url)),
            Scheme::Wms => wms(WmsVersion::V1_3_0),
            Scheme::Wms111 => wms(WmsVersion::V1_1_1),
        }
    }

    /// Adds what was said of it.
    pub(crate) fn again(&self, again: &mut Again) {
        if self.scheme == Scheme::Xyz {
            return;
        }
        let name = self.scheme.to_possible_value();
        again.flag("--scheme", name.as_ref().map(PossibleValue::get_name));
        again.flag("--layers", self.layers.as_deref());
        again.flag("--styles", self.styles.as_deref());
        if matches!(self.scheme, Scheme::Wmts | Scheme::Wms | Scheme::Wms111) {
            again.flag("--media-type", Some(&self.media_type));
            again.flag("--matrix-set", Some(&self.matrix_set));
            again.flag(
                "--matrix-prefix",
                Some(&self.matrix_prefix).filter(|prefix| !prefix.is_empty()).map(|prefix| &**prefix),
            );
        }
    }

    fn layers(&self) -> Result<String, Fatal> {
        self.layers.clone().ok_or_else(|| {
            Fatal::usage("--layers: which ones? the service's capabilities document lists them; give them as in --layers roads,rivers")
        })
    }

    fn wmts(&self) -> Result<Wmts, Fatal> {
        let defaults = Wmts::default();
        Ok(Wmts {
            layer: self.layers()?,
            style: self.styles.clone().unwrap_or(defaults.style),
            format: self.media_type.clone(),
            matrix_set: self.matrix_set.clone(),
            matrix_prefix: self.matrix_prefix.clone(),
        })
    }

    fn wms(&self, version: WmsVersion) -> Result<Wms, Fatal> {
        let styles = self.styles.clone().unwrap_or_default();
        Ok(Wms { version, layers: self.layers()?, styles, format: self.media_type.clone(), ..Wms::default() })
    }
}

/// The template of a TMS. Where `url` does not say where a tile goes, that belongs at the end of its path.
fn rows_from_the_south(url: &str) -> String {
    if ["{z}", "{zoom}", "{x}", "{y}", "{-y}"].iter().any(|placeholder| url.contains(placeholder)) {
        return url.replace("{y}", "{-y}");
    }
    let (folder, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    format!("{}/{{z}}/{{x}}/{{-y}}.png{query}", folder.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tms_counts_its_rows_from_the_south_however_its_address_is_given() {
        for (url, template) in [
            ("http://a.test/{z}/{x}/{y}.png", "http://a.test/{z}/{x}/{-y}.png"),
            ("http://a.test/{zoom}/{x}/{-y}", "http://a.test/{zoom}/{x}/{-y}"),
            ("http://a.test/", "http://a.test/{z}/{x}/{-y}.png"),
            ("http://a.test/tms?key=k", "http://a.test/tms/{z}/{x}/{-y}.png?key=k"),
            ("http://{s}.a.test", "http://{s}.a.test/{z}/{x}/{-y}.png"),
        ] {
            assert_eq!(rows_from_the_south(url), template);
        }
    }
}
