//! Loom models of the ring: `RUSTFLAGS="--cfg loom" cargo test -p soundpost-core --lib --release loom`

use loom::sync::Arc;
use loom::thread;

use super::*;

const WORDS: usize = 32;

fn memory() -> Arc<Vec<AtomicU64>> {
    let words: Vec<AtomicU64> = (0..64 + WORDS).map(|_| AtomicU64::new(0)).collect();
    fresh(&words);
    Arc::new(words)
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_duration = Some(std::time::Duration::from_secs(60));
    builder.check(check);
}

/// Two writers, and a reader that frees: each record is read intact and once.
#[test]
fn loom_ring() {
    model(|| {
        let words = memory();
        let writers: Vec<_> = [1, 2]
            .into_iter()
            .map(|value| {
                let words = words.clone();
                thread::spawn(move || put(&EventRing::new(&words, &layout(WORDS)), &[value, value]).is_ok())
            })
            .collect();
        let ring = EventRing::new(&words, &layout(WORDS));
        let (mut at, mut read) = (0, Vec::new());
        let mut drain = |at: &mut u64| {
            while let Slot::Record { payload, next } = ring.read(*at, |_| true) {
                read.push(payload);
                *at = next;
                ring.free(next, |_| true);
            }
        };
        drain(&mut at);
        let written = writers.into_iter().map(|writer| writer.join().unwrap());
        assert!(written.into_iter().all(|written| written), "there is room");
        drain(&mut at);
        read.sort();
        assert_eq!(read, [[1, 1], [2, 2]]);
    });
}

/// Reads from `at` on. Returns payloads and the number of lost records.
fn read_all(ring: &EventRing<'_>, mut at: u64) -> (Vec<Vec<u64>>, u64, u64) {
    let (mut records, mut lost) = (Vec::new(), 0);
    loop {
        at = match ring.read(at, |_| true) {
            Slot::Record { payload, next } => {
                records.push(payload);
                next
            }
            Slot::Lost { next } => {
                lost += 1;
                next
            }
            Slot::Freed { next } => next,
            Slot::Unfinished | Slot::End => return (records, lost, at),
        };
    }
}

/// The reader abandons a writer that resumes at that moment, beside another: both records are read once.
#[test]
fn loom_abandon() {
    model(|| {
        let words = memory();
        let threads = [1, 2].map(|value| {
            let words = words.clone();
            thread::spawn(move || put(&EventRing::new(&words, &layout(WORDS)), &[value]).is_ok())
        });
        let ring = EventRing::new(&words, &layout(WORDS));
        let given_up = ring.abandon(0);
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()), "there is room");
        let (mut read, lost, _) = read_all(&ring, 0);
        read.sort();
        assert_eq!((read, lost), (vec![vec![1], vec![2]], u64::from(given_up)));
    });
}

/// An abandoned writer resumes while others write at its place a round later, and the reader frees.
#[test]
fn loom_hole() {
    model(|| {
        let words = memory();
        let ring = EventRing::new(&words, &layout(WORDS));
        let begun = ring.claim(Owner::UNKNOWN, 2).unwrap();
        assert!(ring.abandon(begun));
        // Seven records of four words, so that four words are left, and one record of the next round.
        (0..6).for_each(|value| put(&ring, &[value; 2]).unwrap());
        put(&ring, &[6]).unwrap();
        let (read, lost, mut at) = read_all(&ring, 0);
        assert_eq!((read.len(), lost), (7, 1));
        ring.free(at, |_| true);
        let stopped = {
            let words = words.clone();
            thread::spawn(move || {
                let mut writer = Writer::new(EventRing::new(&words, &layout(WORDS)), begun, 2);
                writer.put(9);
                assert!(!writer.commit(Owner::UNKNOWN));
            })
        };
        let other = {
            let words = words.clone();
            thread::spawn(move || put(&EventRing::new(&words, &layout(WORDS)), &[7; 2]).unwrap())
        };
        put(&ring, &[8; 2]).unwrap();
        let (mut read, mut lost, end) = read_all(&ring, at);
        at = end;
        ring.free(at, |_| true);
        other.join().unwrap();
        stopped.join().unwrap();
        let (more, more_lost, _) = read_all(&ring, at);
        read.extend(more);
        lost += more_lost;
        read.sort();
        assert_eq!((read, lost), (vec![vec![7; 2], vec![8; 2]], 0));
    });
}

/// The reader repairs a damaged head beside a writer: no writer is blocked, and no record is read twice.
#[test]
fn loom_mend() {
    model(|| {
        let words = memory();
        let ring = EventRing::new(&words, &layout(WORDS));
        put(&ring, &[1]).unwrap();
        let (_, _, at) = read_all(&ring, 0);
        ring.free(at, |_| true);
        words[header::RING_HEAD].store(1 << 40, Ordering::Relaxed);
        let writer = {
            let words = words.clone();
            thread::spawn(move || put(&EventRing::new(&words, &layout(WORDS)), &[2]).is_ok())
        };
        ring.mend(at);
        let written = writer.join().unwrap();
        put(&ring, &[3]).unwrap();
        let (read, lost, _) = read_all(&ring, at);
        let all: Vec<_> = written.then(|| vec![2]).into_iter().chain([vec![3]]).collect();
        assert_eq!((read, lost), (all, 0));
    });
}
