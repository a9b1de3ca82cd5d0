//! What an archive says about itself.

use serde_json::{Map, Value};

use crate::area::Bbox;

/// What to write into an archive about its tiles, and what was found in one.
///
/// The zooms and, where `bounds` is not given, the bounds come from the tiles themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// A name for people. Without one the file's name serves.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// Whom to thank, as the tiles' licence demands; may hold HTML.
    pub attribution: Option<String>,
    /// The revision of the tiles.
    pub version: Option<String>,
    /// `overlay` or `baselayer`.
    pub kind: Option<String>,
    /// What the tiles cover.
    pub bounds: Option<Bbox>,
    /// `vector_layers` as in TileJSON 3: needed by most viewers of vector tiles.
    pub vector_layers: Option<Value>,
}

impl Metadata {
    /// The texts among it, by the names that MBTiles and PMTiles both have for them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("name", &self.name),
            ("description", &self.description),
            ("attribution", &self.attribution),
            ("version", &self.version),
            ("type", &self.kind),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }

    pub(crate) fn from_texts(mut text: impl FnMut(&str) -> Option<String>) -> Self {
        Self {
            name: text("name"),
            description: text("description"),
            attribution: text("attribution"),
            version: text("version"),
            kind: text("type"),
            bounds: None,
            vector_layers: None,
        }
    }

    /// This one, with whatever it leaves open taken from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            description: self.description.or(other.description),
            attribution: self.attribution.or(other.attribution),
            version: self.version.or(other.version),
            kind: self.kind.or(other.kind),
            bounds: self.bounds.or(other.bounds),
            vector_layers: self.vector_layers.or(other.vector_layers),
        }
    }

    /// The JSON section of a PMTiles archive.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json: Map<_, _> = self.texts().map(|(key, text)| (key.to_owned(), text.into())).collect();
        if let Some(layers) = &self.vector_layers {
            json.insert("vector_layers".to_owned(), layers.clone());
        }
        Value::from(json).to_string().into_bytes()
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        let json: Map<String, Value> = serde_json::from_slice(json)?;
        let texts = Self::from_texts(|key| json.get(key).and_then(Value::as_str).map(str::to_owned));
        Ok(Self { vector_layers: json.get("vector_layers").cloned(), ..texts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_pmtiles_leads_back() {
        let metadata = Metadata {
            name: Some("world".to_owned()),
            kind: Some("baselayer".to_owned()),
            vector_layers: Some(serde_json::json!([{ "id": "countries" }])),
            ..Metadata::default()
        };
        assert_eq!(Metadata::from_json(&metadata.to_json()).unwrap(), metadata);
    }
}
