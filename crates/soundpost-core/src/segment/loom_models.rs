//! Loom models of a segment: `RUSTFLAGS="--cfg loom" cargo test -p soundpost-core --lib --release loom`

use loom::sync::Arc;
use loom::thread;

use crate::segment::layout::{CALL_WORDS, EXEMPLAR_WORDS, LANES, Layout, header};
use crate::segment::{
    Begin, Directory, Exemplars, IdWords, InFlight, Owner, Payload, RecordKind, lane, take_cells, word,
};
use crate::sync::{AtomicU64, Ordering};

fn layout() -> Layout {
    Layout {
        words: 64,
        processes: 0,
        calls: 0,
        call_slots: 1,
        exemplars: 0,
        exemplar_slots: 1,
        directory: 0,
        directory_words: 64,
        ring: 0,
        ring_words: 0,
        cells: 0,
        lane_words: 1,
    }
}

fn words(count: usize) -> Arc<Vec<AtomicU64>> {
    Arc::new((0..count).map(|_| AtomicU64::new(0)).collect())
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// Like [`model`], with fewer preemptions for models with many words.
fn model_for(limit: std::time::Duration, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_duration = Some(limit);
    builder.check(check);
}

fn payload(value: u64) -> Payload {
    Payload::default().word(value)
}

/// Two writers and a reader: both records stay intact, and the reader sees complete records or none.
#[test]
fn loom_directory() {
    model(|| {
        let region = words(6);
        let layout = Layout { directory_words: 6, ..layout() };
        let writers: Vec<_> = [7, 9]
            .map(|value| {
                let region = region.clone();
                thread::spawn(move || {
                    Directory::new(&region, &layout).append(0, RecordKind::Series, &payload(value))
                })
            })
            .into();
        let seen: Vec<_> = {
            let directory = Directory::new(&region, &layout);
            let mut scan = directory.read(0);
            let seen = scan.by_ref().map(|record| record.payload.reader().word()).collect();
            assert_eq!(scan.damaged(), 0, "a reader takes nothing for damaged");
            seen
        };
        assert!(seen.iter().all(|value| matches!(value, Some(7 | 9))));
        let mut places: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        places.sort();
        assert_eq!(places, [Some(0), Some(3)]);
        let directory = Directory::new(&region, &layout);
        let mut all: Vec<_> =
            directory.read(0).map(|record| record.payload.reader().word().unwrap()).collect();
        all.sort();
        assert_eq!(all, [7, 9]);
    });
}

/// A lane passes from an ended thread to another, which sees all additions.
#[test]
fn loom_lane() {
    model(|| {
        let region = words(header::LANE_OWNERS + LANES + LANES);
        let cell = header::LANE_OWNERS + LANES;
        // Only one lane is free.
        for other in 2..LANES {
            region[header::LANE_OWNERS + other].store(1, Ordering::Relaxed);
        }
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let region = region.clone();
                thread::spawn(move || match lane::claim(&region) {
                    Some(lane) => {
                        let word = &region[cell + lane];
                        word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                        lane::release(&region, lane);
                    }
                    None => drop(region[cell].fetch_add(1, Ordering::Relaxed)),
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let sum: u64 = (0..LANES).map(|lane| region[cell + lane].load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 2);
    });
}

fn begin(value: u64) -> Begin {
    Begin {
        owner: Owner::from_word(value),
        operation_at: value as u32,
        now: value,
        queued: value,
        flags: 0,
        id: IdWords { length: 0, words: [0; 8] },
    }
}

/// Owner and reaper end one call: one of them wins, and the slot is free for the next call.
#[test]
fn loom_in_flight_end() {
    model(|| {
        let region = words(CALL_WORDS);
        let layout = layout();
        let ticket = InFlight::new(&region, &layout).begin(&begin(1)).unwrap();
        let reaper = {
            let region = region.clone();
            thread::spawn(move || {
                let calls = InFlight::new(&region, &layout);
                calls.end_if(0, |call| call.words[word::OPERATION] == 1).is_some()
            })
        };
        let calls = InFlight::new(&region, &layout);
        let owner = calls.end(ticket);
        calls.free(ticket);
        let reaper = reaper.join().unwrap();
        assert!(owner != reaper, "exactly one ends it: {owner} {reaper}");
        assert!(calls.begin(&begin(2)).is_some(), "free again");
    });
}

/// A reader of a slot that is reused sees one call or the other, never a mixture.
#[test]
fn loom_in_flight_read() {
    model_for(std::time::Duration::from_secs(30), || {
        let region = words(CALL_WORDS);
        let layout = layout();
        let ticket = InFlight::new(&region, &layout).begin(&begin(1)).unwrap();
        let owner = {
            let region = region.clone();
            thread::spawn(move || {
                let calls = InFlight::new(&region, &layout);
                calls.end(ticket);
                calls.free(ticket);
                calls.begin(&begin(2)).unwrap();
            })
        };
        for call in InFlight::new(&region, &layout).read() {
            let seen = [word::OWNER, word::OPERATION, word::QUEUED, word::RESUMED];
            let seen = seen.map(|word| call.words[word]);
            assert!(seen == [1; 4] || seen == [2; 4], "{seen:?}");
        }
        owner.join().unwrap();
    });
}

/// Two writers and a reader of an exemplar: the reader sees a complete exemplar of one writer.
#[test]
fn loom_exemplar() {
    model(|| {
        let region = words(EXEMPLAR_WORDS);
        let layout = layout();
        let id = |value: u64| IdWords { length: 1, words: [b'0' as u64 + value, 0, 0, 0, 0, 0, 0, 0] };
        let writer = {
            let region = region.clone();
            thread::spawn(move || Exemplars::new(&region, &layout).offer(0, 1.0, &id(1), 1))
        };
        let other = {
            let region = region.clone();
            thread::spawn(move || Exemplars::new(&region, &layout).offer(0, 2.0, &id(2), 1 << 40))
        };
        if let Some(read) = Exemplars::new(&region, &layout).read(0) {
            let whole = (read.value, read.id.as_str(), read.written);
            assert!(whole == (1.0, "1", 1) || whole == (2.0, "2", 1 << 40), "{whole:?}");
        }
        writer.join().unwrap();
        other.join().unwrap();
        assert!(Exemplars::new(&region, &layout).read(0).is_some());
    });
}

/// The protocol of `Registry::take_over`: one of two processes gets the cells of a dead one, and a reader
/// never assigns the old value to the new owner.
#[test]
fn loom_gauge_take_over() {
    const DEAD: u64 = 1;
    model(|| {
        let cells = words(3);
        cells[0].store(DEAD, Ordering::Relaxed);
        cells[1].store(99, Ordering::Relaxed);
        cells[2].store(99, Ordering::Relaxed);
        let takers: Vec<_> = [2_u64, 3]
            .map(|owner| {
                let cells = cells.clone();
                thread::spawn(move || take_cells(&cells, Owner::from_word(DEAD), Owner::from_word(owner)))
            })
            .into();
        let owner = cells[0].load(Ordering::Acquire);
        let value = cells[1].load(Ordering::Relaxed);
        assert!(owner < 2 || value == 0, "{owner} has {value}");
        let taken = takers.into_iter().map(|taker| taker.join().unwrap());
        assert_eq!(taken.filter(|taken| *taken).count(), 1);
    });
}
