//! Breadth-first search, so that a broken rule is shown with one of the shortest stories that break it.

use core::{
    fmt::Debug,
    hash::{BuildHasher, BuildHasherDefault, Hash},
};
use std::{
    collections::{HashSet, VecDeque},
    hash::DefaultHasher,
    string::String,
    vec::Vec,
};

/// What a broken rule has to say.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// A small world: everything that its future depends on.
pub(super) trait World: Clone + Hash + Debug {
    /// One thing that can happen.
    type Move: Copy + Debug;

    /// What can happen now.
    fn moves(&self) -> Vec<Self::Move>;

    /// Lets it happen, and checks what follows.
    fn step(&mut self, step: Self::Move) -> Result<(), Broken>;

    /// What holds in every state.
    fn check(&self) -> Result<(), Broken>;
}

/// Visits every reachable state and says how many there are.
///
/// States are told apart by 64 bits of their hash: among a million of them two are taken for one with a chance of one in
/// thirty million.
pub(super) fn explore<W: World>(start: W) -> usize {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut known = HashSet::new();
    let mut told: Vec<(usize, Option<W::Move>)> = Vec::new();
    let mut open = VecDeque::new();
    known.insert(hasher.hash_one(&start));
    told.push((0, None));
    if let Err(Broken(broken)) = start.check() {
        panic!("{broken}\nat the very start: {start:?}");
    }
    open.push_back((0, start));
    while let Some((index, world)) = open.pop_front() {
        for step in world.moves() {
            let mut next = world.clone();
            let mut kept = next.step(step);
            let is_new = known.insert(hasher.hash_one(&next));
            if is_new {
                kept = kept.and_then(|()| next.check());
            }
            if let Err(Broken(broken)) = kept {
                panic!("{broken}\nafter {:?}, then {step:?}\nfrom {world:?}\nto   {next:?}", story(&told, index));
            }
            if is_new {
                told.push((index, Some(step)));
                open.push_back((told.len() - 1, next));
            }
        }
    }
    known.len()
}

fn story<M: Copy>(told: &[(usize, Option<M>)], mut index: usize) -> Vec<M> {
    let mut story = Vec::new();
    while let Some(&(parent, Some(step))) = told.get(index) {
        story.push(step);
        index = parent;
    }
    story.reverse();
    story
}
