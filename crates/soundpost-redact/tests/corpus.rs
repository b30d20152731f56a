//! Log lines of speech services: ordinary ones must stay as they are, secrets must go.
//!
//! In `corpus/secrets.txt` each secret stands between `«` and `»`. A line is missed if a part of a secret of four
//! characters or more remains, and damaged if text around the secret changed. The lines of `corpus/held_out` were written
//! before the rules were tuned with the others, and no rule was made for one of them alone. The lines of
//! `corpus/independent`, `independent_2`, `independent_3` and `independent_4` come from four authors who did not see the rules;
//! they mark the password alone where a mark covers the user as well, so more of them count as damaged. The first measurement of
//! the third set missed 5.9 % and redacted 1.8 % wrongly, that of the fourth 1.8 % and 0.9 %. The rules have been tuned with
//! the first three sets since, and not with the fourth.

use soundpost_redact::{Hits, Redactor, Rule};

/// Ordinary lines and lines with secrets, by set, and the maximum share of damaged lines in percent.
const SETS: [(&str, &str, &str, f64); 6] = [
    ("tuned", include_str!("../corpus/ordinary.txt"), include_str!("../corpus/secrets.txt"), 5.0),
    (
        "held out",
        include_str!("../corpus/held_out/ordinary.txt"),
        include_str!("../corpus/held_out/secrets.txt"),
        5.0,
    ),
    (
        "independent",
        include_str!("../corpus/independent/ordinary.txt"),
        include_str!("../corpus/independent/secrets.txt"),
        20.0,
    ),
    (
        "second independent",
        include_str!("../corpus/independent_2/ordinary.txt"),
        include_str!("../corpus/independent_2/secrets.txt"),
        40.0,
    ),
    (
        "third independent",
        include_str!("../corpus/independent_3/ordinary.txt"),
        include_str!("../corpus/independent_3/secrets.txt"),
        40.0,
    ),
    (
        "fourth independent",
        include_str!("../corpus/independent_4/ordinary.txt"),
        include_str!("../corpus/independent_4/secrets.txt"),
        40.0,
    ),
];

fn redacted(line: &str) -> String {
    Redactor::default().text(line, usize::MAX, &mut Hits::default()).text.into_owned()
}

/// Prints the lines and their share, and fails above the bar.
fn check(what: &str, lines: &[String], all: usize, bar_percent: f64) {
    let percent = 100.0 * lines.len() as f64 / all as f64;
    println!("{what}: {} of {all} lines, {percent:.1} %", lines.len());
    lines.iter().for_each(|line| println!("  {line}"));
    assert!(percent <= bar_percent, "{what}: {percent:.1} % is above the bar of {bar_percent} %");
}

#[test]
fn ordinary_lines_stay_unchanged() {
    for (set, ordinary, ..) in SETS {
        let lines: Vec<_> = ordinary.lines().collect();
        assert!(lines.len() >= 200);
        let changed = lines.iter().map(|line| redacted(line)).zip(&lines).filter(|(out, line)| out != *line);
        let changed: Vec<_> = changed.map(|(out, line)| format!("{line}\n    {out}")).collect();
        check(&format!("{set}, wrongly redacted"), &changed, lines.len(), 1.0);
    }
}

/// Returns whether a part of the secret remains in the output that is not in the text around it.
fn remains(secret: &str, around: &str, out: &str) -> bool {
    let letters: Vec<char> = secret.chars().collect();
    let parts = letters.windows(letters.len().clamp(1, 4)).map(|part| part.iter().collect::<String>());
    let mut parts = parts.filter(|part| part.chars().any(char::is_alphanumeric));
    parts.any(|part| out.contains(&part) && !around.contains(&part))
}

/// Returns the text with marks of all rules as one sign.
fn unmarked(out: &str) -> String {
    let mut parts = out.split("[REDACTED:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "\u{AB}\u{BB}" + part.split_once(']').unwrap_or_default().1)
}

#[test]
fn secrets_are_redacted() {
    for (set, _, secrets, damaged_percent) in SETS {
        let lines: Vec<_> = secrets.lines().collect();
        assert!(lines.len() >= 200);
        let (mut missed, mut damaged) = (Vec::new(), Vec::new());
        for line in &lines {
            let out = redacted(&line.replace(['\u{AB}', '\u{BB}'], ""));
            let (mut around, mut secrets) = (String::new(), Vec::new());
            for (nth, part) in line.split(['\u{AB}', '\u{BB}']).enumerate() {
                if nth % 2 == 1 { secrets.push(part) } else { around += part }
            }
            assert!(!secrets.is_empty(), "{line}: no secret is marked");
            let expected =
                secrets.iter().fold((*line).to_owned(), |text, secret| text.replacen(secret, "", 1));
            let around = around + &Rule::ALL.map(Rule::mark).concat();
            if secrets.iter().any(|secret| remains(secret, &around, &out)) {
                missed.push(format!("{line}\n    {out}"));
            } else if unmarked(&out) != expected {
                damaged.push(format!("{line}\n    {out}"));
            }
        }
        check(&format!("{set}, damaged"), &damaged, lines.len(), damaged_percent);
        check(&format!("{set}, missed"), &missed, lines.len(), 3.0);
    }
}
