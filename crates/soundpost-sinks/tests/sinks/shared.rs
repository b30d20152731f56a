//! Tests of the sinks that a service writes for its agent.

use std::os::unix::fs::PermissionsExt as _;

use soundpost_core::ServiceDir;
use soundpost_sinks::kinds::{Graylog, InfluxApi, InfluxDb, JsonLines, KINDS, Loki, OptionRow, Sink};
use soundpost_sinks::{SharedSinks, prepared};
use soundpost_testkit::{Reply, Server};

use crate::receiver::{calls, deliver, on_a_runtime};

fn place(directory: &tempfile::TempDir) -> ServiceDir {
    ServiceDir::open_with_shared_memory(directory.path(), "svc", directory.path()).unwrap()
}

/// Returns the sinks as an agent reads them, and the file that they were written to.
fn written(sinks: &[Sink]) -> (Vec<Sink>, String) {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    assert!(SharedSinks::write(&place, sinks).unwrap().is_some_and(|before| before.is_empty()));
    let path = place.directory().join("sinks");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    let (read, errors) = SharedSinks::read(&place).sinks();
    assert!(errors.is_empty(), "{errors:?}");
    // What was read is written as it was, unless a secret is missing.
    let is_whole = sinks.iter().all(|sink| sink.agents_obstacle().is_none());
    assert_eq!(SharedSinks::write(&place, &read).unwrap().is_none(), is_whole);
    (read, text)
}

/// Returns a value that an option of this type accepts.
fn sample(option: &OptionRow) -> String {
    match option.python {
        "bool" => "true",
        "int" => "7",
        "float" => "2.5",
        "int | str" => "640",
        path if path.starts_with("str | ") => "/etc/a b,c?&=%+é",
        literal if literal.starts_with("Literal") => literal.split('"').nth(1).unwrap(),
        _ if option.name == "name" => "other",
        _ => "a b,c?&=%+é",
    }
    .to_owned()
}

#[test]
fn every_option_of_every_kind_is_written_and_read() {
    let mut tried = 0;
    for kind in KINDS {
        let place = ["http://h:81/a/b", "/var/a b@c,d?.jsonl"]
            .into_iter()
            .find(|place| {
                Sink::with_options(kind.name, place, &[])
                    .is_ok_and(|_| place.starts_with("http") == (kind.name != "jsonl"))
            })
            .unwrap();
        for option in kind.options() {
            let value = sample(&option);
            let options = [(option.name.to_owned(), value.clone())];
            let sink = Sink::with_options(kind.name, place, &options).unwrap();
            let shown = sink.to_string();
            let (read, text) = written(&[sink]);
            assert_eq!(read[0].to_string(), shown, "{}", option.name);
            let is_secret = ["token", "password"].contains(&option.name);
            assert_eq!(text.contains(&format!("{}=", option.name)), !is_secret, "{text}");
            assert_eq!(text.ends_with(&format!(" {}\n", option.name)), is_secret, "{text}");
            assert!(!is_secret || !text.contains("a%20b"), "{text}");
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn options_of_code_are_those_of_the_url() {
    let built: [Sink; 5] = [
        InfluxDb::new("http://h/x/api/v3/write_lp?database=a").unwrap().database("d").into(),
        InfluxDb::new("http://user@h").unwrap().api(InfluxApi::V1).database("d").password_env("P").into(),
        Graylog::new("tcp://[::1]:1?name=g&timeout=3").unwrap().batch(5_usize).into(),
        Loki::new("https://h/a@b/loki/api/v1/push").unwrap().token("first").token_file("/t").into(),
        JsonLines::new("-").unwrap().name("out").into(),
    ];
    let (_, text) = written(&built);
    let lines = [
        "influxdb+http://h:80/x/?api=v3&database=d",
        "influxdb+http://h:80/?user=user&api=v1&database=d&password_env=P",
        "graylog+tcp://[::1]:1/?name=g&timeout=3&batch=5",
        "loki+https://h:443/a%40b/?token_file=/t",
        "jsonl:-?name=out\n",
    ];
    assert_eq!(text, lines.join("\n"));
}

#[test]
fn literal_secrets_are_not_written_and_say_what_to_do() {
    let canary = "c4n4ry-of-a-secret";
    let server = Server::start(|_| Reply::status(204));
    let url = format!("http://{}", server.address);
    let login = format!("http://user:{canary}@{}", server.address);
    for (sink, option) in [
        (Sink::from(Loki::new(&url).unwrap().token(canary)), "token"),
        (Loki::new(&url).unwrap().user("u").password_file("/nothing").password(canary).into(), "password"),
        (Loki::new(&login).unwrap().into(), "password"),
    ] {
        assert!(sink.agents_obstacle().is_some_and(|why| why.contains(&format!("{option}_env"))));
        let (read, text) = written(&prepared(vec![sink]).unwrap());
        assert!(!text.contains(canary) && !format!("{read:?}").contains(canary), "{text}");
        let error = read[0].open().err().unwrap();
        assert!(error.contains(&format!("{option}_file")) && !error.contains(canary), "{error}");
        assert!(!read[0].can_open());
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn referenced_secrets_are_read_when_they_are_there() {
    let server = Server::start(|request| {
        Reply::status(if request.header("authorization") == "Bearer late" { 204 } else { 401 })
    });
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let (read, _) =
        written(&[Loki::new(&format!("http://{}", server.address)).unwrap().token_file(&token).into()]);
    let error = read[0].open().err().unwrap();
    assert!(error.contains("token_file") && !read[0].can_open(), "{error}");
    std::fs::write(&token, "late").unwrap();
    assert!(read[0].can_open());
    on_a_runtime(async {
        let mut transport = read[0].open().unwrap();
        assert_eq!(deliver(transport.as_mut(), &calls(2)).await.settled(), 2);
    });
}

#[test]
fn a_line_of_another_build_is_an_error_of_its_sink_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = place(&directory);
    place.write("sinks", "loki+http://h/?colour=red\njsonl:/x?\nredis+tcp://h/?\n").unwrap();
    let (sinks, errors) = SharedSinks::read(&place).sinks();
    assert_eq!((sinks.len(), sinks[0].name()), (1, "jsonl"));
    assert!(errors[0].to_string().contains("an option in the query is none of"), "{errors:?}");
    assert!(errors[1].to_string().contains("a URL that the service wrote"), "{errors:?}");
}
