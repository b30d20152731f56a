//! A damaged event ring: the ring reader reads its calls and log events, and the calls that were in flight.
#![no_main]

use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use soundpost_core::snapshot::RingReader;
use soundpost_fuzz::SegmentBench;

static BENCH: LazyLock<Mutex<SegmentBench>> = LazyLock::new(SegmentBench::new);

fuzz_target!(|input: &[u8]| {
    let bench = BENCH.lock().expect("a lock");
    let (service, registry) = bench.lay(input);
    let mut reader = RingReader::new(service, registry);
    reader.attach(|_| Ok::<_, ()>(None)).expect("attached");
    let batch = reader.read(1000, |call| call.ended >= call.started);
    let _ = (reader.fill(), reader.has_room(), batch.is_empty());
    let deaths = reader.read_deaths();
    reader.stored(&batch.positions);
    reader.stored(&deaths.positions);
    drop(reader);
    bench.clear();
});
