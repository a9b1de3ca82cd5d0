//! Which tiles a benchmark asks for.

use tidegate_core::TileId;

/// So many tiles of the whole world, every one of it once before any comes twice, in an order that the seed decides.
pub(crate) fn draw(count: u64, max_zoom: u8, seed: u64) -> Vec<TileId> {
    world(max_zoom, seed).take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// The same without end.
pub(crate) fn world(max_zoom: u8, seed: u64) -> Box<dyn Iterator<Item = TileId> + Send> {
    let mut chance = fastrand::Rng::with_seed(seed);
    // All tiles of the zooms are shuffled where that is few; where it is many, a draw hardly ever repeats itself.
    let all: u64 = (0..=max_zoom).map(|zoom| 1u64 << (2 * zoom)).sum();
    if all > SHUFFLED_MAX {
        return Box::new((0..).filter_map(move |_: u64| TileId::from_hilbert_id(chance.u64(0..all)).ok()));
    }
    let mut world: Vec<TileId> = (0..all).filter_map(|id| TileId::from_hilbert_id(id).ok()).collect();
    chance.shuffle(&mut world);
    Box::new(world.into_iter().cycle())
}

/// Zoom 0 to 8.
const SHUFFLED_MAX: u64 = 87_381;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_tile_of_the_world_is_drawn_once_before_any_comes_twice() {
        let tiles = draw(341 + 5, 4, 7);
        assert_eq!(tiles.len(), 346);
        assert_eq!(tiles.iter().take(341).collect::<HashSet<_>>().len(), 341);
        assert_eq!(draw(20, 4, 7), draw(20, 4, 7), "the seed decides");
        assert_ne!(draw(20, 4, 7), draw(20, 4, 8));
        assert_eq!(draw(1_000, 14, 7).len(), 1_000);
    }
}
