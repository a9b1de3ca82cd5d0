//! Where tiles are kept: directory, MBTiles, PMTiles, cache, dead letters, areas and schemes.
