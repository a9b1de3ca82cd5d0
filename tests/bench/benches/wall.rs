//! Wall time of each operation: `cargo bench --manifest-path tests/bench/Cargo.toml`, with a filter as an argument if so wished.

fn main() {
    // failsafe's clock stands still, like all the others.
    failsafe::clock::freeze(|_| divan::main());
}

#[divan::bench(args = names(), sample_count = 50)]
fn operation(bencher: divan::Bencher, name: &str) {
    let operation = tidegate_bench::all().find(|operation| operation.name == name).expect("it is from the same table");
    bencher.bench_local((operation.start)());
}

fn names() -> impl Iterator<Item = &'static str> {
    tidegate_bench::all().map(|operation| operation.name)
}
