//! Names of services that try to get out of their directory.
#![allow(unreachable_pub)]

pub fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        ".",
        "..",
        "...",
        "../x",
        "../../x",
        "/",
        "/etc",
        "//",
        "/../x",
        "x/../../y",
        "x/",
        "./x",
        "x/.",
        "~",
        "~root",
        "-rf",
        "--",
        "*",
        "?",
        "a b",
        " ",
        "\t",
        "\n",
        "\r\n",
        "a\0b",
        "\0",
        "\\",
        "..\\x",
        "x|y",
        "$HOME",
        "`id`",
        "%2e%2e%2fx",
        "a:b",
        "a;b",
        "\"",
        "'",
        "语音服务",
        "é",
        "e\u{301}",
        "\u{202e}abc",
        "\u{feff}x",
        "🎙",
        "CON",
        ".hidden",
        "x.segment",
        "retired.totals",
        "x~0123456789abcdef",
        "X",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(4096));
    names.push("../".repeat(1000));
    names
}
