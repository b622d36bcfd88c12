//! Parts, by criterion: what a request passes on its way, each alone. No device and no other thread is needed for them.

use std::hint::black_box;

use criterion::Criterion;
use hotspare_device::bytes::SecretBytes;
use hotspare_device::stats::{Counter, Path, Published};
use hotspare_device::{Key, KeyMaterial, Kind, MontgomeryCurve, MontgomeryKey, Request};
use hotspare_offload::{Completion, Config, Offload};

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parts");
    let material = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![7; 32] };
    let Ok(key) = Key::new(KeyMaterial::Montgomery(material)) else { return };
    group.bench_function("making a request", |bencher| {
        bencher.iter(|| Request::montgomery_multiply(&key, black_box(&[9; 32])));
    });
    group.bench_function("a secret of 32 bytes, made and wiped", |bencher| {
        bencher.iter(|| SecretBytes::<1024>::copy_of(black_box(&[9; 32])));
    });
    group.bench_function("reading the clock", |bencher| bencher.iter(std::time::Instant::now));
    if let Ok(published) = Published::private() {
        group.bench_function("counting one", |bencher| {
            bencher.iter(|| published.count(black_box(Counter::Submitted)));
        });
        group.bench_function("counting a completed request", |bencher| {
            let took = std::time::Duration::from_micros(30);
            bencher.iter(|| published.completed(black_box(Kind::X25519), Path::Hardware, took));
        });
    }
    let offload = Offload::new(Config { stats_dir: None, ..Config::default() });
    group.bench_function("counting a request that its face computes", |bencher| {
        bencher.iter(|| offload.begin_software(black_box(Kind::X25519)).map(|software| software.end(true)));
    });
    let Ok(request) = Request::montgomery_multiply(&key, &[9; 32]) else { return };
    group.bench_function("software, X25519 by execute", |bencher| {
        bencher.iter(|| offload.execute(request.clone()));
    });
    group.bench_function("software, X25519 by a ticket", |bencher| {
        bencher.iter(|| offload.submit(request.clone(), Completion::Poll).wait());
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parts(&mut criterion);
    criterion.final_summary();
}
