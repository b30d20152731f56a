//! Options by name and text, as the query of a URL and a binding give them.

use soundpost_core::Error;

use super::address::{Address, Parts};

/// Options by name, as the query of a URL and a binding give them.
pub(crate) trait Options {
    /// Takes an option; false if there is none of this name.
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String>;

    /// Takes options from where a secret must not stand.
    fn take_query(&mut self, sink: &str, query: &[(String, String)]) -> Result<(), Error> {
        for (name, value) in query {
            if matches!(&**name, "password" | "token" | "p" | "u" | "apikey" | "api_key") {
                let say = "use token_file, token_env, password_file or password_env";
                return Err(wrong(sink, &format!("the URL has a secret in its query ({name}); {say}")));
            }
            self.take(sink, name, value)?;
        }
        Ok(())
    }

    /// Takes an option, or says that there is none of this name.
    fn take(&mut self, sink: &str, name: &str, value: &str) -> Result<(), Error> {
        match self.option(name, value) {
            Ok(true) => Ok(()),
            Ok(false) => Err(wrong(sink, &format!("{name:?} is no option of it"))),
            Err(error) => Err(wrong(sink, &error)),
        }
    }
}

/// Reads the URL of a sink.
pub(crate) fn begin(kind: &str, url: &str, schemes: &[(&str, u16)]) -> Result<Parts, Error> {
    Address::parse(url, kind, schemes).map_err(|error| wrong(kind, &error))
}

/// What is wrong with a sink.
pub(crate) fn wrong(sink: &str, error: &str) -> Error {
    Error::config(format!("sink {sink}: {error}"))
}
