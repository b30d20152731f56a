//! Tests of settings: arguments, variables and their precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::*;

/// Resolves settings from arguments and an environment that has only these variables.
fn resolve(
    arguments: &[(&'static str, SettingValue)],
    variables: &[(&str, &str)],
) -> (Settings, Vec<String>) {
    let variables: BTreeMap<String, OsString> =
        variables.iter().map(|(name, value)| (format!("SOUNDPOST_{name}"), value.into())).collect();
    let mut settings = Settings::default();
    for (name, value) in arguments {
        settings.set(name, value.clone());
    }
    let (settings, errors) = settings.resolve(&|name| variables.get(name).cloned());
    (settings, errors.iter().map(ToString::to_string).collect())
}

fn variable(name: &str, text: &str) -> SettingValue {
    let (settings, errors) = resolve(&[], &[(&name.to_ascii_uppercase(), text)]);
    assert_eq!(errors, Vec::<String>::new(), "{name}={text}");
    settings.value(name)
}

#[test]
fn variable_as_people_write_it_is_read() {
    use SettingValue as V;
    let duration = |seconds: f64| V::Duration(Duration::from_secs_f64(seconds));
    let address = |text: &str| V::Address(text.parse().unwrap());
    for (name, text, expected) in [
        ("listen", "off", V::Off),
        ("listen", "none", V::Off),
        ("listen", "", V::Off),
        ("listen", "localhost:9464", address("127.0.0.1:9464")),
        ("listen", ":9464", address("127.0.0.1:9464")),
        ("listen", "9464", address("127.0.0.1:9464")),
        ("listen", "0.0.0.0:0", address("0.0.0.0:0")),
        ("listen", "[::1]:9464", address("[::1]:9464")),
        ("gpu", "none", V::Bool(false)),
        ("gpu", "off", V::Bool(false)),
        ("gpu", "visible", V::Bool(true)),
        ("gpu", "yes", V::Bool(true)),
        ("gpu", "ALL", V::Text("all".into())),
        ("torch", "Always", V::Text("always".into())),
        ("sample_interval", "0.5", duration(0.5)),
        ("sample_interval", "500ms", duration(0.5)),
        ("sample_interval", "off", V::Off),
        ("gpu_memory_interval", "off", V::Off),
        ("idle_limit", "1h30m", duration(5400.0)),
        ("idle_limit", "60", duration(60.0)),
        ("store", "off", V::Bool(false)),
        ("store_days", "0.5", duration(43_200.0)),
        ("store_days", "12h", duration(43_200.0)),
        ("store_bytes", "512MiB", V::Int(512 << 20)),
        ("store_bytes", "1073741824", V::Int(1 << 30)),
        ("segment_bytes", "1M", V::Int(1 << 20)),
        ("logs", "info", V::Int(20)),
        ("logs", "MY_LEVEL", V::Text("MY_LEVEL".into())),
        ("logs", "1", V::Bool(true)),
        ("redact", "a+\n\n b \n", V::List(vec!["a+".into(), "b".into()])),
        ("basic_auth", "user:pass:word", V::List(vec!["user".into(), "pass:word".into()])),
        (
            "allowed_hosts",
            "tts.svc:9464, *.b,*",
            V::List(vec!["tts.svc:9464".into(), "*.b".into(), "*".into()]),
        ),
        ("exemplars", "off", V::Bool(false)),
        ("labels", "b=1, a=x=y", V::Pairs(vec![("a".into(), "x=y".into()), ("b".into(), "1".into())])),
        ("labels", ",", V::Pairs(Vec::new())),
        ("directory", "/state", V::Path("/state".into())),
    ] {
        assert_eq!(variable(name, text), expected, "{name}={text}");
    }
}

#[test]
fn variable_with_wrong_value_is_named() {
    for (name, text) in [
        ("listen", "nonsense"),
        ("listen", "localhost"),
        ("listen", "localhost:http"),
        ("listen", "a:99999"),
        ("namespace", "a b"),
        ("gpu", "2"),
        ("gpu", "every"),
        ("torch", "all"),
        ("sample_interval", "0"),
        ("sample_interval", "0.05"),
        ("sample_interval", "61"),
        ("sample_interval", "-1"),
        ("sample_interval", "often"),
        ("sample_interval", "nan"),
        ("sample_interval", "inf"),
        ("gpu_memory_interval", "0.04"),
        ("gpu_memory_interval", "2"),
        ("idle_limit", "0"),
        ("labels", "env"),
        ("labels", "a-b=x"),
        ("labels", "le=x"),
        ("labels", "__a=x"),
        ("sinks", "stdout"),
        ("allowed_hosts", "http://tts.svc/"),
        ("allowed_hosts", "a*.b"),
        ("exemplars", "maybe"),
        ("basic_auth", "user"),
        ("basic_auth", "user:"),
        ("basic_auth", ":x"),
        ("segment_bytes", "10"),
        ("segment_bytes", "many"),
        ("segment_bytes", "1.5"),
        ("store", "maybe"),
        ("store_days", "-1"),
        ("store_bytes", "5"),
        ("disabled", "maybe"),
    ] {
        let variable = name.to_ascii_uppercase();
        let (settings, errors) = resolve(&[], &[(&variable, text)]);
        assert_eq!(errors.len(), 1, "{name}={text}: {errors:?}");
        assert!(errors[0].starts_with(&format!("SOUNDPOST_{variable}: ")), "{errors:?}");
        // The default is in effect.
        assert_eq!(settings.value(name), resolve(&[], &[]).0.value(name), "{name}={text}");
    }
}

#[test]
fn argument_takes_precedence_over_variable() {
    let variables = [("SAMPLE_INTERVAL", "often"), ("STORE", "maybe"), ("VERSION", "V1")];
    let arguments =
        [("sample_interval", SettingValue::Int(2)), ("store", false.into()), ("version", SettingValue::Off)];
    let (settings, errors) = resolve(&arguments, &variables);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(settings.duration("sample_interval"), Some(Duration::from_secs(2)));
    assert!(!settings.switch("store"));
    assert_eq!(settings.text("version"), None);
}

#[test]
fn option_with_wrong_value_is_named() {
    let mut settings = Settings::default();
    settings.set_from("sample_interval", "--sample-interval", "often");
    let (_, errors) = settings.resolve(&|_| None);
    assert!(errors[0].to_string().starts_with("--sample-interval: \"often\""), "{errors:?}");
}

#[test]
fn credentials_of_two_kinds_are_refused() {
    let text = |text: &str| SettingValue::Text(text.into());
    let (_, errors) = resolve(&[("bearer_token", text("x")), ("basic_auth", text("a:b"))], &[]);
    assert_eq!(errors, ["basic_auth: bearer_token is given as well; give one of them"]);
    let (_, errors) = resolve(&[], &[("BEARER_TOKEN", "x"), ("BEARER_TOKEN_FILE", "/missing")]);
    assert_eq!(errors, ["SOUNDPOST_BEARER_TOKEN_FILE: bearer_token is given as well; give one of them"]);
    let (settings, errors) = resolve(&[("bearer_token", text("x"))], &[("BASIC_AUTH", "a:b")]);
    assert!(errors.is_empty() && settings.list("basic_auth").is_empty(), "{errors:?}");
}

#[test]
fn token_file_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "from-file\n").unwrap();
    let path = file.path().to_str().unwrap();
    let (settings, errors) = resolve(&[], &[("BEARER_TOKEN_FILE", path)]);
    assert_eq!((settings.text("bearer_token").as_deref(), errors.len()), (Some("from-file"), 0));
    let (_, errors) = resolve(&[], &[("BEARER_TOKEN_FILE", "/missing")]);
    assert!(errors[0].starts_with("SOUNDPOST_BEARER_TOKEN_FILE: /missing cannot be read"), "{errors:?}");
}

#[test]
fn certificate_without_key_is_refused() {
    let (_, errors) = resolve(&[("tls_cert", "cert.pem".into())], &[]);
    assert!(errors[0].starts_with("tls_key: "), "{errors:?}");
    let (_, errors) = resolve(&[], &[("TLS_KEY", "key.pem")]);
    assert!(errors[0].starts_with("tls_cert: "), "{errors:?}");
}

#[test]
fn secrets_are_not_shown() {
    let variables = [("BASIC_AUTH", "canary"), ("BEARER_TOKEN", "canary"), ("SINKS", "canary")];
    let (settings, errors) = resolve(&[], &variables);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(!format!("{errors:?}{settings:?}").contains("canary"), "{errors:?}");
}

#[test]
fn disabled_overrules_everything() {
    let (settings, errors) = resolve(&[("listen", "nonsense".into())], &[("DISABLED", "1"), ("GPU", "2")]);
    assert!(settings.is_disabled() && errors.is_empty(), "{errors:?}");
    assert!(!resolve(&[], &[("DISABLED", "0")]).0.is_disabled());
}

#[test]
fn sinks_of_the_environment_are_ignored_without_a_store() {
    let variables = [("SINKS", "jsonl:-")];
    let (settings, _) = resolve(&[("store", false.into())], &variables);
    assert_eq!(settings.value("sinks"), SettingValue::Off);
    assert!(matches!(resolve(&[], &variables).0.value("sinks"), SettingValue::Sinks(_)));
}

#[test]
fn differences_name_the_settings() {
    let (first, _) = resolve(&[("version", "V1".into()), ("sample_interval", SettingValue::Int(1))], &[]);
    let (same, _) = resolve(&[], &[("VERSION", "V1")]);
    let (other, _) = resolve(&[("version", "V2".into()), ("store", false.into())], &[]);
    assert_eq!(first.differences(&same), Vec::<&str>::new());
    assert_eq!(first.differences(&other), ["version", "store"]);
}

#[test]
fn declarations_are_consistent() {
    for (index, setting) in Setting::ALL.iter().enumerate() {
        assert!(Setting::ALL[..index].iter().all(|other| other.name != setting.name), "{}", setting.name);
        assert!(!setting.help.is_empty() && !setting.help.ends_with('.'), "{}", setting.name);
        let is_secret = ["bearer_token", "basic_auth"].contains(&setting.name);
        assert!(!is_secret || setting.option.is_none(), "{}: other users see options", setting.name);
        if !setting.default.is_empty() {
            setting.check(setting.default.into()).unwrap();
        }
    }
}
