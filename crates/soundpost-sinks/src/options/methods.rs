//! The methods that sinks of several kinds have.
//!
//! No function is a method of several types. One generic type behind an alias for each kind would do, but then none of
//! the methods is on the alias's page where another crate exports it.

/// What all sinks have.
macro_rules! common_methods {
    ($sink:ident, name: $name:literal, batch: $batch:literal) => {
        impl $sink {
            #[doc = concat!("What the sink is called in metrics and messages; default: `", $name, "`.")]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.common.name = name.into();
                self
            }

            /// The longest wait between two tries while the receiver is away; default: 30 s.
            pub fn longest_wait(mut self, wait: std::time::Duration) -> Self {
                self.common.longest_wait = wait;
                self
            }

            #[doc = concat!("Most records at once; default: ", $batch, ".")]
            pub fn batch(mut self, records: usize) -> Self {
                self.common.batch = Some(records);
                self
            }
        }
    };
}

/// What those have that a server takes.
macro_rules! server_methods {
    ($sink:ident, login: $login:literal) => {
        impl $sink {
            #[doc = concat!("User and password, ", $login, ".")]
            pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
                self.server.login.user = Some(user.into());
                self.server.login.password = Some($crate::options::secret::Source::text(password));
                self
            }

            /// The user, and the file that has the password.
            pub fn login_file(
                mut self,
                user: impl Into<String>,
                path: impl Into<std::path::PathBuf>,
            ) -> Self {
                self.server.login.user = Some(user.into());
                self.server.login.password = Some($crate::options::secret::Source::File(path.into()));
                self
            }

            /// Certificates in PEM form that the server's may go back to, beside those of the system.
            pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.server.ca_file = Some(path.into());
                self
            }

            /// How long the server may take for an answer, and to take what is sent; default: 10 s.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.common.timeout = timeout;
                self
            }
        }
    };
}

/// What those have whose server knows tokens.
macro_rules! token_methods {
    ($sink:ident) => {
        impl $sink {
            /// The token.
            pub fn token(mut self, token: impl Into<String>) -> Self {
                self.server.login.token = Some($crate::options::secret::Source::text(token));
                self
            }

            /// The file that has the token. It is read again when the server refuses what was in it.
            pub fn token_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.server.login.token = Some($crate::options::secret::Source::File(path.into()));
                self
            }

            /// The variable of the environment that has the token; it is read once, at the start.
            pub fn token_env(mut self, variable: impl Into<String>) -> Self {
                self.server.login.token = Some($crate::options::secret::Source::Variable(variable.into()));
                self
            }
        }
    };
}

pub(crate) use {common_methods, server_methods, token_methods};
