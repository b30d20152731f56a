use proptest::prelude::*;

use super::*;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn intervals_are_checked_and_named() {
    for seconds in [0.1, 1.0, 60.0] {
        let interval = Interval::new("a", Duration::from_secs_f64(seconds)).unwrap();
        assert_eq!(interval.get().as_secs_f64(), seconds);
    }
    for seconds in [0.0, 0.099, 60.1, 1e12] {
        let error = Interval::new("sample_interval", Duration::from_secs_f64(seconds)).unwrap_err();
        assert!(error.is_config());
        assert!(error.to_string().starts_with("sample_interval is "), "{error}");
    }
    assert!(Interval::new("a", Duration::MAX).is_err());
    assert_eq!(Interval::default().get(), Duration::from_secs(1));
}

#[test]
fn a_sample_at_each_period() {
    let start = Instant::now();
    let mut schedule = Schedule::new(Interval::default(), start);
    let taken: Vec<u64> = (0..=4_000).filter(|&now| schedule.take(start + milliseconds(now))).collect();
    assert_eq!(taken, [0, 1_000, 2_000, 3_000, 4_000]);
    assert_eq!(schedule.skipped(), 0);
}

#[test]
fn a_clock_put_back_does_not_stall() {
    let start = Instant::now() + Duration::from_secs(86_400);
    let mut schedule = Schedule::new(Interval::default(), start);
    assert!(schedule.take(start + milliseconds(10)));
    let back = start - milliseconds(3_600_300);
    assert!(!schedule.take(back));
    assert_eq!(schedule.wait(back), milliseconds(300));
    assert!(schedule.take(back + milliseconds(300)));
    assert_eq!(schedule.wait(back + milliseconds(300)), milliseconds(1_000));
}

/// Milliseconds until the next check: mostly short, sometimes long.
fn steps() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![8 => 0u64..300, 1 => 0u64..20_000], 1..200)
}

proptest! {
    #[test]
    fn at_most_one_a_period_and_on_the_grid(interval in 100u64..=60_000, steps in steps()) {
        let start = Instant::now();
        let mut schedule = Schedule::new(Interval::new("a", milliseconds(interval)).unwrap(), start);
        let (mut now, mut taken, mut last) = (0, 0, None);
        for step in steps {
            now += step;
            let at = start + milliseconds(now);
            let due = schedule.wait(at).is_zero();
            prop_assert_eq!(schedule.take(at), due);
            let period = now / interval;
            if due {
                prop_assert!(last.is_none_or(|last| last < period), "two in period {}", period);
                last = Some(period);
                taken += 1;
            }
            // A sample of this period was taken, and the next is due where the next period begins.
            prop_assert_eq!(last, Some(period));
            prop_assert_eq!(at + schedule.wait(at), start + milliseconds((period + 1) * interval));
            prop_assert_eq!(taken + schedule.skipped(), period + 1);
        }
    }

    #[test]
    fn jumps_of_the_clock_are_harmless(jumps in prop::collection::vec(0u64..200_000_000, 1..50)) {
        let origin = Instant::now();
        let interval = milliseconds(1_000);
        let mut schedule = Schedule::new(Interval::default(), origin + milliseconds(100_000_000));
        for jump in jumps {
            let now = origin + milliseconds(jump);
            let taken = schedule.take(now);
            prop_assert!(!schedule.take(now), "two at once");
            let wait = schedule.wait(now);
            prop_assert!(wait > Duration::ZERO && wait <= interval);
            // After that sleep a sample is due, on the same grid.
            let then = now + wait;
            prop_assert_eq!(then.duration_since(origin).as_millis() % 1_000, 0);
            prop_assert!(schedule.clone().take(then), "{} then nothing", taken);
        }
    }
}
