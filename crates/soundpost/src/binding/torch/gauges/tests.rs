use super::{Card, index};
use soundpost_vitals::Visible;

const ALIKE: [Card<'static>; 3] =
    [card(0, "GPU-aaaa-0", "A100"), card(1, "GPU-bbbb-1", "A100"), card(2, "GPU-cccc-2", "A100")];

const fn card(index: u32, uuid: &'static str, name: &'static str) -> Card<'static> {
    Card { index, uuid, name, is_mig: false }
}

fn visible(devices: &str) -> Visible {
    Visible { devices: Some(devices.to_owned()), by_bus: false }
}

#[test]
fn device_is_identified_by_its_uuid_first() {
    for uuid in ["GPU-cccc-2", "cccc-2"] {
        assert_eq!(index(&ALIKE, 0, Some(uuid), &visible("1")), Some(2));
    }
    assert_eq!(index(&ALIKE, 0, Some("dddd-3"), &visible("1")), None);
    let mig = Card { is_mig: true, ..card(1, "MIG-eeee", "A100 1g.5gb") };
    assert_eq!(index(&[mig], 0, Some("eeee"), &visible("MIG-eeee")), Some(1));
}

#[test]
fn device_without_uuid_is_identified_by_visible_devices() {
    for (devices, number, expected) in [
        ("2,0", 0, Some(2)),
        ("2,0", 1, Some(0)),
        ("2,0", 2, None),
        ("GPU-bbbb,GPU-aaaa", 0, Some(1)),
        ("GPU-bbbb,GPU-aaaa", 1, Some(0)),
        ("GPU-dddd", 0, None),
        ("7", 0, None),
        ("", 0, None),
    ] {
        assert_eq!(index(&ALIKE, number, None, &visible(devices)), expected, "{devices:?} {number}");
    }
    assert_eq!(index(&ALIKE, 1, None, &Visible::default()), Some(1));
    // Only visible devices are sampled, but the number counts all.
    assert_eq!(index(&ALIKE[2..], 0, None, &visible("2")), Some(2));
    let mig = || Card { is_mig: true, ..card(1, "MIG-eeee", "A100 1g.5gb") };
    assert_eq!(index(&[mig()], 0, None, &visible("MIG-eeee")), Some(1));
    assert_eq!(index(&[], 0, None, &Visible::default()), None);
}

#[test]
fn number_is_used_for_different_cards_only_in_bus_order() {
    let cards = [card(0, "GPU-a", "T4"), card(1, "GPU-b", "H100")];
    assert_eq!(index(&cards, 0, None, &Visible::default()), None);
    assert_eq!(index(&cards, 0, None, &visible("1")), None);
    assert_eq!(index(&cards, 0, None, &Visible { by_bus: true, ..visible("1") }), Some(1));
    assert_eq!(index(&cards, 0, None, &visible("GPU-b")), Some(1));
}
