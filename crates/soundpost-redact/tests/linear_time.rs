//! Texts of repeated parts take time in proportion to their length.

use std::time::{Duration, Instant};

use soundpost_redact::{Hits, Redactor};

#[test]
fn hostile_texts_take_linear_time() {
    let began = Instant::now();
    let own = Redactor::new(&["(a|b)*c".into(), "[a-z]+@x".into()], false).unwrap();
    for part in [
        "@",
        "a@",
        "a.@",
        "1",
        "1 ",
        "123-",
        "1234 ",
        "=",
        " =",
        "password",
        "password=",
        "password='",
        "token: {",
        "://",
        "a://b:",
        "eyJ",
        "eyJaaaaaaaa.",
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN ",
        "-",
        "_",
        "I",
        "b",
        "bearer ",
        "basic ",
        "\\",
        "\"",
        "\\\"",
        "token\\\":\\\"",
        ",",
        "',",
        "('a',",
        "[\"token\",\"",
        "[\"token\",[",
        "[\"token\",\\\"a",
        "：",
        "text:",
        "密码",
        "aaaaaaaa",
        "a=b&",
        "secret=a,b;",
        "--",
        " --token ",
        " --token '",
        "'--token',",
        "\u{1F600}",
        "a'b\"",
        "tokens: [",
        "tokens: {'a': [1, 2], ",
        "sign=[",
        "auth: {",
        "token=self.",
        "token ",
        "key is for ",
        "password for a b ",
        "<token>",
        "name: token value: ",
        "docker login ",
        "AKIA0123456789abcdef ",
        "secret->",
        "login(\"a\",",
        "login(",
        "密码 a1b2 ",
        "password a ",
        "AUTH a ",
        "+1 ",
        "0755-",
        "x://a:b@",
        "keys: a1b2c3, ",
        "token A1b2C3d4E5f6G7h8 ",
        "code",
        "code 12 ",
        "passphrase ",
        "passwords:\\n- ",
        "password: |\n",
        " -pabc1 ",
        "0755/",
        "token=Some(",
        "Some(\"",
        "token=${",
        "<password ",
        "password,",
        "DE89 3704 ",
    ] {
        let text = part.repeat(100_000 / part.len());
        let _ = redacted_whole(&Redactor::default(), &text);
        let _ = redacted_whole(&own, &text[..text.floor_char_boundary(15_000)]);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

fn redacted_whole(redactor: &Redactor, text: &str) -> usize {
    redactor.text(text, usize::MAX, &mut Hits::default()).text.len()
}
