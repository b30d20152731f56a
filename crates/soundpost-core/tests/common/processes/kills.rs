//! Processes that are killed while they record, and while they fold.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use soundpost_core::snapshot::{Collector, Snapshot};
use soundpost_core::{Calls, Spec};

use super::{Running, random_below};
use crate::common::{Home, assert_well_formed, eventually, place_at, registry_at, small, total};

/// Numbers that survive the process: 64-bit words in a file, written with one system call each.
struct Words(File);

impl Words {
    fn create(root: &Path) -> Self {
        let path = root.join("words");
        let _ = std::fs::remove_file(&path);
        let file = File::options().read(true).write(true).create_new(true).open(path).expect("a file");
        file.set_len(4096).expect("its size");
        Self(file)
    }

    fn open(root: &Path) -> Self {
        let path = root.join("words");
        Self(File::options().read(true).write(true).open(path).expect("a file"))
    }

    fn set(&self, word: usize, value: u64) {
        self.0.write_all_at(&value.to_le_bytes(), word as u64 * 8).expect("written");
    }

    fn get(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, word as u64 * 8).expect("read");
        u64::from_le_bytes(bytes)
    }
}

const RECORDERS: usize = 4;
/// Words of one thread: attempts and returns of starting, counting, ending.
const PER_THREAD: usize = 6;

pub(super) fn recorder(root: &Path) {
    let registry = registry_at(root, small());
    let calls = Calls::new(&registry).expect("request metrics");
    let words = Words::open(root);
    std::thread::scope(|scope| {
        for thread in 0..RECORDERS {
            let (calls, words, registry) = (&calls, &words, &registry);
            scope.spawn(move || {
                let at = thread * PER_THREAD;
                let operation = calls.operation("op");
                let counter = registry.family(Spec::counter("done")).expect("a family");
                let counter = counter.counter(&[]).expect("a counter");
                let histogram = registry.family(Spec::histogram("sizes", &[1.0])).expect("a family");
                let histogram = histogram.histogram(&[]).expect("a histogram");
                for index in 1.. {
                    words.set(at, index);
                    let call = operation.start();
                    words.set(at + 1, index);
                    words.set(at + 2, index);
                    counter.increment();
                    histogram.observe(0.5);
                    words.set(at + 3, index);
                    words.set(at + 4, index);
                    call.finish();
                    words.set(at + 5, index);
                }
            });
        }
    });
}

/// Results of many kills.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    pub(crate) kills: u64,
    pub(crate) recorded: u64,
    pub(crate) died: u64,
    /// Calls whose end was being recorded when the kill came, neither finished nor died.
    pub(crate) torn: u64,
    pub(crate) slowest: Duration,
}

struct Seen {
    done: f64,
    sizes: f64,
    ok: f64,
    died: f64,
}

impl Seen {
    fn of(snapshot: &Snapshot) -> Self {
        assert_well_formed(snapshot);
        Self {
            done: total(snapshot, "done", &[]),
            sizes: total(snapshot, "sizes", &[]),
            ok: total(snapshot, "svc_request", &[("outcome", "ok")]),
            died: total(snapshot, "svc_request", &[("outcome", "died")]),
        }
    }
}

/// Kills a recording process so many times, at random moments, and checks all totals each time.
pub(crate) fn kill_recorders(kills: u64) -> Kills {
    let home = Home::new();
    let registry = home.registry();
    let calls = Calls::new(&registry).expect("request metrics");
    calls.operation("op").start().finish();
    let mut collector = home.collector(&registry);
    let mut before = Seen::of(&collector.snapshot());
    let mut figures = Kills::default();
    for _ in 0..kills {
        let words = Words::create(home.path());
        let mut child = Running::spawn("recorder", home.path());
        let enough = random_below(400);
        eventually("recording", 60, || (words.get(0) > enough).then_some(()));
        for _ in 0..random_below(20_000) {
            std::hint::spin_loop();
        }
        child.kill();
        let recovery = Instant::now();
        let after = Seen::of(&collector.snapshot());
        assert!(collector.merge_dead() >= 1, "the dead segment is folded");
        let folded = Seen::of(&collector.snapshot());
        figures.slowest = figures.slowest.max(recovery.elapsed());
        for (one, other) in [
            (after.done, folded.done),
            (after.sizes, folded.sizes),
            (after.ok, folded.ok),
            (after.died, folded.died),
        ] {
            assert_eq!(one, other, "folding changes nothing");
        }
        let sum = |word: usize| {
            (0..RECORDERS).map(|thread| words.get(thread * PER_THREAD + word)).sum::<u64>() as f64
        };
        let [start_attempts, started, count_attempts, counted, end_attempts, ended] =
            std::array::from_fn(sum);
        let new = Seen {
            done: after.done - before.done,
            sizes: after.sizes - before.sizes,
            ok: after.ok - before.ok,
            died: after.died - before.died,
        };
        assert!(counted <= new.done && new.done <= count_attempts, "{counted} {} {count_attempts}", new.done);
        assert!(counted <= new.sizes && new.sizes <= count_attempts);
        assert!(ended <= new.ok && new.ok <= end_attempts, "{ended} {} {end_attempts}", new.ok);
        let all = new.ok + new.died;
        assert!(all <= start_attempts, "a call counted twice: {all} of {start_attempts}");
        assert!(all >= started - (end_attempts - ended), "a call lost: {all} of {started}");
        figures.kills += 1;
        figures.recorded += (counted + ended) as u64;
        figures.died += new.died as u64;
        figures.torn += (started - all).max(0.0) as u64;
        before = folded;
        assert_eq!(home.segment_files().len(), 1, "only the own segment is left");
    }
    figures
}

pub(super) fn folder(root: &Path) {
    let registry = registry_at(root, small());
    let mut collector = Collector::new(place_at(root, "svc"), registry.clone());
    let words = Words::open(root);
    for index in 1.. {
        let ended = registry_at(root, small());
        let counter = ended.family(Spec::counter("done")).expect("a family").counter(&[]).expect("a counter");
        words.set(0, index);
        counter.increment();
        words.set(1, index);
        drop((counter, ended));
        collector.merge_dead();
    }
}

/// Kills a process that folds all the time, so many times, at random moments; totals stay exact. Gives the
/// number of folds that were under way or done.
pub(crate) fn kill_folders(kills: u64) -> u64 {
    let home = Home::new();
    let registry = home.registry();
    let mut lasting = home.collector(&registry);
    let (mut low, mut high) = (0.0, 0.0);
    let mut folds = 0;
    let mut last = 0.0;
    for round in 0..kills {
        let words = Words::create(home.path());
        let mut child = Running::spawn("folder", home.path());
        let enough = random_below(5);
        eventually("folding", 60, || (words.get(0) > enough).then_some(()));
        for _ in 0..random_below(100_000) {
            std::hint::spin_loop();
        }
        child.kill();
        high += words.get(0) as f64;
        low += words.get(1) as f64;
        folds += words.get(0);
        let now = total(&home.snapshot(&registry), "done", &[]);
        assert!(low <= now && now <= high, "round {round}: {low} <= {now} <= {high}");
        // A reader that was there all the time sees the same, again and again, and so does who folds.
        for _ in 0..2 {
            assert_eq!(total(&lasting.snapshot(), "done", &[]), now, "round {round}");
        }
        if round % 2 == 0 {
            lasting.merge_dead();
            assert_eq!(total(&lasting.snapshot(), "done", &[]), now, "round {round}: folded");
            assert_eq!(total(&home.snapshot(&registry), "done", &[]), now, "round {round}: read anew");
        }
        assert!(now >= last, "totals went backwards");
        last = now;
        low = now;
        high = now;
    }
    folds
}
