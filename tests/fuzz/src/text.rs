//! Everything that people or servers write: flags, variables, documents.

use std::{fmt::Display, str::FromStr, time::Duration};

use tidegate::{config, template::UrlTemplate};
use tidegate_core::TileId;
use tidegate_lab::{measure::requirement::Requirements, mock::Faults, sim::scenario::Scenario};
use tidegate_store::{
    area::{Bbox, Corridor, Shard, ZoomSet},
    scheme::{self, TileJson},
};

pub fn run(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match choice % 12 {
        0 => {
            if let Some(tile) = parsed::<TileId>(text) {
                assert_eq!(tile.show_location().to_string().parse::<TileId>().ok(), Some(tile));
            }
        }
        1 => {
            if let Some(zooms) = parsed::<ZoomSet>(text) {
                assert!(zooms.iter().next().is_some(), "{text:?} has no zoom");
            }
        }
        2 => drop(parsed::<Bbox>(text)),
        3 => drop(parsed::<Shard>(text)),
        4 => template(UrlTemplate::parse(text)),
        5 => template(scheme::template(text)),
        6 => told(
            config::parse_duration("timeout", text, Duration::from_millis(1), Duration::from_secs(3_600)),
            |span| {
                assert!((Duration::from_millis(1)..=Duration::from_secs(3_600)).contains(&span));
            },
        ),
        7 => told(config::parse_count("n", text, 3, 70), |count| assert!((3..=70).contains(&count))),
        8 => told(config::parse_share("share", text), |share| assert!((0.0..=1.0).contains(&share))),
        9 => {
            let _rules = parsed::<Faults>(text);
            told(Faults::from_toml(text), drop);
        }
        10 => drop(parsed::<Requirements>(text)),
        _ => {
            let _description = parsed::<TileJson>(text);
            told(Corridor::from_geojson(text, 100.0), drop);
            told(Scenario::from_toml(text, &[]), drop);
        }
    }
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
    let result = text.parse::<T>();
    if let Err(error) = &result {
        assert!(!error.to_string().is_empty());
    }
    result.ok()
}

fn told<T, E: Display>(result: Result<T, E>, check: impl FnOnce(T)) {
    match result {
        Ok(value) => check(value),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn template<E: Display>(result: Result<UrlTemplate, E>) {
    told(result, |template| {
        let mut url = String::new();
        let tile = TileId::new(7, 68, 44).expect("in range");
        template.expand(tile, &mut url);
        assert!(url.starts_with("http"), "{url}");
        let (_public, _extension, host) = (template.is_public_host(), template.extension(), template.host());
        assert!(!host.is_empty());
    });
}
