use proptest::prelude::*;

use super::*;

/// Makes three devices; the last is split.
fn devices() -> Vec<DeviceIdentity> {
    let mig = |uuid: &str, instance| MigIdentity { uuid: uuid.to_owned(), instance: Some(instance) };
    let device = |uuid: &str, migs| DeviceIdentity { uuid: uuid.to_owned(), migs };
    vec![
        device("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", vec![]),
        device("GPU-89aaaaaa-d72c-4106-c12f-20bd9faed9f6", vec![]),
        device(
            "GPU-c0000000-d72c-4106-c12f-20bd9faed9f6",
            vec![mig("MIG-1f1c0000-5a0c", (1, 0)), mig("MIG-2f1c0000-5a0c", (2, 0))],
        ),
    ]
}

/// Returns selected devices as text: `0 2/1` is device 0 and MIG device 1 of device 2.
fn chosen(value: Option<&str>) -> String {
    let choices = select_devices(value, &devices());
    let text = |choice: &SelectedDevice| match choice.mig {
        None => choice.device.to_string(),
        Some(mig) => format!("{}/{mig}", choice.device),
    };
    choices.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn without_the_variable_all_are_visible() {
    assert_eq!(chosen(None), "0 1 2");
}

#[test]
fn the_forms_of_the_variable() {
    for (value, expected) in [
        // Nothing.
        ("", ""),
        (" ", ""),
        ("-1", ""),
        (",0", ""),
        ("none", ""),
        ("void", ""),
        // Numbers, in their order, up to the first invalid one.
        ("0", "0"),
        ("2,1", "2 1"),
        ("0,2,-1,1", "0 2"),
        ("0,3,1", "0"),
        ("0,,1", "0"),
        ("1,", "1"),
        ("0, 1 ,2", "0 1 2"),
        ("+1", "1"),
        ("1gpu2,2ampere", "1 2"),
        ("99999999999999999999,0", ""),
        ("0,x,1", "0"),
        ("0x1", "0"),
        // An entry named twice.
        ("0,1,0", ""),
        ("1,1", ""),
        ("0,-1,0", "0"),
        // UUIDs and unique prefixes.
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "0"),
        ("GPU-8932f937", "0"),
        ("GPU-893,GPU-89a", "0 1"),
        ("GPU-c", "2"),
        ("GPU-89", ""),
        ("GPU-", ""),
        ("GPU-8932f937,GPU-ffff,GPU-c", "0"),
        ("GPU-8932,GPU-8932f937", ""),
        ("gpu-8932f937", ""),
        ("8932f937", ""),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6-1", ""),
        // Only one form.
        ("0,GPU-c", "0"),
        ("GPU-c,0", "2"),
        ("GPU-8932,MIG-1f1c0000-5a0c", "0"),
        // MIG of new and old drivers.
        ("MIG-1f1c0000-5a0c", "2/0"),
        ("MIG-2f1c0000-5a0c,MIG-1f1c0000-5a0c", "2/1 2/0"),
        ("MIG-2f", "2/1"),
        ("MIG-", ""),
        ("MIG-ffff", ""),
        ("MIG-GPU-c0000000-d72c-4106-c12f-20bd9faed9f6/2/0", "2/1"),
        ("MIG-GPU-c0000000-d72c-4106-c12f-20bd9faed9f6/2/1", ""),
        ("MIG-GPU-c0000000-d72c-4106-c12f-20bd9faed9f6/2", ""),
        ("MIG-GPU-c0000000-d72c-4106-c12f-20bd9faed9f6/2/0/0", ""),
        ("MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0", ""),
    ] {
        assert_eq!(chosen(Some(value)), expected, "{value:?}");
    }
}

#[test]
fn a_device_without_uuid_is_named_by_number_only() {
    let unknown = [DeviceIdentity { uuid: String::new(), migs: vec![MigIdentity::default()] }];
    assert_eq!(select_devices(Some("0"), &unknown).len(), 1);
    for value in ["GPU-", "MIG-", "MIG-/0/0", "MIG-GPU-/0/0"] {
        assert_eq!(select_devices(Some(value), &unknown), [], "{value}");
    }
}

fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-4]",
        "-[0-4]",
        "GPU-[89c]{0,3}",
        "MIG-[12]f?",
        "MIG-GPU-c0000000-d72c-4106-c12f-20bd9faed9f6/[0-3]/[01]",
        "[ -~]{0,6}",
    ]
}

proptest! {
    /// Any text selects each existing device at most once.
    #[test]
    fn any_text(value in any::<String>(), entries in prop::collection::vec(entry(), 0..5)) {
        for value in [value, entries.join(",")] {
            let devices = devices();
            let choices = select_devices(Some(&value), &devices);
            for (place, choice) in choices.iter().enumerate() {
                prop_assert!(choice.device < devices.len());
                prop_assert!(choice.mig.is_none_or(|mig| mig < devices[choice.device].migs.len()));
                prop_assert!(!choices[..place].contains(choice));
            }
        }
    }

    /// Entries after an invalid one are ignored.
    #[test]
    fn the_first_invalid_entry_ends_it(
        entries in prop::collection::vec(entry(), 0..4),
        invalid in prop_oneof!["-1", "", "99", "GPU-zz", "MIG-zz", "x"],
        rest in prop::collection::vec(entry(), 0..4),
    ) {
        let ended = [entries.clone(), vec![invalid.clone()]].concat().join(",");
        let longer = [entries, vec![invalid], rest].concat().join(",");
        prop_assert_eq!(select_devices(Some(&longer), &devices()), select_devices(Some(&ended), &devices()));
    }

    /// Numbers keep their order.
    #[test]
    fn numbers_in_order(order in Just((0_usize..3).collect::<Vec<_>>()).prop_shuffle(), length in 1_usize..4) {
        let order = &order[..length];
        let value = order.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let expected: Vec<_> = order.iter().map(|device| SelectedDevice { device: *device, mig: None }).collect();
        prop_assert_eq!(select_devices(Some(&value), &devices()), expected);
    }
}
