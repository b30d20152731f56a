//! Kills processes at named steps, many times, and prints figures for the reliability table: `cargo run --release -p
//! soundpost --features kill-steps --example kill_steps -- [TIMES [STEP]]`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/common/sink_kills.rs"]
mod sink_kills;
#[path = "../tests/common/step_kills.rs"]
mod step_kills;
#[path = "../tests/common/store_kills.rs"]
mod store_kills;

use std::time::Duration;

use sink_kills::Receiver;

fn main() {
    sink_kills::play_role();
    store_kills::play_role();
    let times = std::env::args().nth(1).map_or(50, |times| times.parse().unwrap());
    let only = std::env::args().nth(2);
    let skipped = |step: &str| only.as_ref().is_some_and(|only| only != step);
    for (step, within) in step_kills::STEPS {
        if skipped(step) {
            continue;
        }
        let (mut returned, mut died, mut recoveries) = (0, 0, Vec::<Duration>::new());
        for round in 0..times {
            let kills = step_kills::kill_at(step, within, round);
            returned += kills.returned;
            died += kills.died;
            recoveries.push(kills.recovery);
        }
        recoveries.sort();
        let [median, slowest] = [recoveries.len() / 2, recoveries.len() - 1].map(|at| recoveries[at]);
        println!(
            "{step}: {times} kills; {returned} calls whose recording had returned, 0 lost, 0 twice; {died} died; \
             recovered in {median:.0?}, at most {slowest:.0?}"
        );
    }
    if skipped(sink_kills::STEP) {
        return;
    }
    let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let receivers = [("file", Receiver::file(roots[0].path())), ("Loki", Receiver::loki())];
    for (root, (name, receiver)) in roots.iter().zip(receivers) {
        let kills = sink_kills::kill(root.path(), &receiver, times);
        println!(
            "{}, {name}: {times} kills; {} calls whose recording had returned, 0 lost; {} came twice, at {} of the kills \
             before the cursor was saved",
            sink_kills::STEP,
            kills.returned,
            kills.repeated,
            kills.repeating
        );
    }
}
