use proptest::prelude::*;

use super::*;
use std::path::Path;

fn listed() -> impl Strategy<Value = Listed> {
    (1_u32..6, 0_u64..4).prop_map(|(pid, memory)| Listed::new(pid, memory))
}

proptest! {
    /// In an unknown namespace no memory is assigned.
    #[test]
    fn nothing_is_claimed_without_proof(
        compute in prop::collection::vec(listed(), 0..6),
        graphics in prop::collection::vec(listed(), 0..6),
        own in prop::collection::vec(1_u32..6, 0..4),
    ) {
        let mut nowhere = Namespace::at(Path::new("/nowhere"));
        prop_assert_eq!(shares(&compute, &graphics, &own, &mut nowhere), None);
    }

    /// Own and other processes cover all memory, and a 0 stands only for absent processes.
    #[test]
    fn shares_are_of_the_whole(
        compute in prop::collection::vec(listed(), 0..6),
        own in prop::collection::vec(1_u32..6, 0..4),
    ) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("self/ns")).unwrap();
        std::os::unix::fs::symlink("pid:[4026531836]", directory.path().join("self/ns/pid")).unwrap();
        let mut host = Namespace::at(directory.path());
        let shares = shares(&compute, &[], &own, &mut host).unwrap();
        let sum: Option<u64> = compute.iter().map(|listed| listed.memory).sum();
        if let Some(sum) = sum {
            let own: Option<u64> = shares.own.values().copied().sum();
            prop_assert_eq!(own.unwrap() + shares.other.unwrap(), sum);
        }
        let others = compute.iter().any(|listed| !own.contains(&listed.pid));
        prop_assert_eq!(shares.other == Some(0), !others);
        prop_assert!(shares.own.values().all(|memory| *memory != Some(0)));
    }
}
