//! Tests of the confirmation of records.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const GRACE: Duration = Duration::from_secs(1);

#[test]
fn record_is_confirmed_after_arrival_and_grace_period() {
    let begin = Instant::now();
    let at = |millis| begin + Duration::from_millis(millis);
    let mut sent = Unconfirmed::new(GRACE);
    sent.push('a');
    sent.written(10);
    sent.push('b');
    sent.arrived(5, begin);
    sent.push('c');
    sent.written(20);
    sent.push('d');
    assert_eq!((sent.confirm(at(9000)), sent.next()), (None, None));
    sent.arrived(19, at(9000));
    assert_eq!(sent.next(), Some(at(10_000)));
    sent.arrived(20, at(9500));
    assert_eq!(sent.confirm(at(9999)), None);
    assert_eq!(sent.confirm(at(10_000)), Some('a'));
    assert_eq!((sent.confirm(at(10_000)), sent.next()), (None, Some(at(10_500))));
    assert_eq!((sent.confirm(at(10_500)), sent.confirm(at(10_500))), (Some('b'), Some('c')));
    // Unwritten records have not arrived.
    sent.arrived(u64::MAX, at(11_000));
    assert_eq!((sent.next(), sent.len()), (None, 1));
    assert!(sent.iter().eq(&['d']));
}

proptest! {
    #[test]
    fn records_are_confirmed_in_order_and_on_time(
        steps in vec((1_u64..100, 0_u64..150, 0_u64..1500), 1..50),
    ) {
        let mut now = Instant::now();
        let mut sent = Unconfirmed::new(GRACE);
        // The end and the arrival of each record.
        let mut model: Vec<(u64, Option<Instant>)> = Vec::new();
        let (mut end, mut acked, mut confirmed) = (0, 0, 0);
        for (size, more, millis) in steps {
            end += size;
            sent.push(model.len());
            sent.written(end);
            model.push((end, None));
            acked = (acked + more).min(end);
            sent.arrived(acked, now);
            model.iter_mut().filter(|(end, at)| *end <= acked && at.is_none()).for_each(|record| record.1 = Some(now));
            now += Duration::from_millis(millis);
            while let Some(record) = sent.confirm(now) {
                prop_assert_eq!(record, confirmed);
                prop_assert!(model[record].1.is_some_and(|at| now - at >= GRACE));
                confirmed += 1;
            }
            prop_assert!(model.get(confirmed).is_none_or(|record| record.1.is_none_or(|at| now - at < GRACE)));
        }
        prop_assert!(sent.iter().copied().eq(confirmed..model.len()));
    }
}
