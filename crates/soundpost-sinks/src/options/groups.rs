//! Options that sinks of several kinds have. A sink names its groups, and gets the methods and the options of each.

/// Declares the options of every sink.
macro_rules! common_options {
    ($sink:ty, name: $name:literal, batch: $batch:literal) => {
        $crate::options::declare::options! {
            $sink as COMMON {
                /// Name in metrics, messages and the store, where a sink of a new name starts anew. Two sinks of one kind
                /// need two names.
                name(impl Into<String>): String, concat!("`", $name, "`") => |sink, name| sink.common.name = name;
                /// Maximum number of records at once.
                batch(usize): usize, $batch => |sink, records| sink.common.batch = Some(records);
                /// Maximum wait between two tries while the receiver is away, in seconds.
                longest_wait(std::time::Duration): std::time::Duration, "30"
                    => |sink, wait| sink.common.longest_wait = wait;
            }
        }
    };
}

/// Declares the options of sinks that ship to a server.
macro_rules! server_options {
    ($sink:ty, user: $user:literal) => {
        $crate::options::declare::options! {
            $sink as SERVER {
                /// Timeout of the server for an answer, and for taking what is sent, in seconds.
                timeout(std::time::Duration): std::time::Duration, "10" => |sink, timeout| sink.common.timeout = timeout;
                /// File with certificates to trust beside those of the system, in PEM form.
                ca_file(impl Into<std::path::PathBuf>): std::path::PathBuf, "none"
                    => |sink, path| sink.server.ca_file = Some(path);
                #[doc = concat!(" User, ", $user, ".")]
                user(impl Into<String>): String, "none" => |sink, user| sink.server.login.user = Some(user);
                /// Password of the user. A file or variable that has it is better.
                password(impl Into<String>): String, "none" => |sink, password| {
                    sink.server.login.password = Some($crate::options::secret::Source::text(password));
                };
                /// File that has the password.
                password_file(impl Into<std::path::PathBuf>): std::path::PathBuf, "none" => |sink, path| {
                    sink.server.login.password = Some($crate::options::secret::Source::File(path));
                };
                /// Environment variable that has the password; it is read once, at the start.
                password_env(impl Into<String>): String, "none" => |sink, variable| {
                    sink.server.login.password = Some($crate::options::secret::Source::Variable(variable));
                };
            }
        }
    };
}

/// Declares the options of sinks whose server takes tokens.
macro_rules! token_options {
    ($sink:ty) => {
        $crate::options::declare::options! {
            $sink as TOKEN {
                /// Token. A file or variable that has it is better.
                token(impl Into<String>): String, "none" => |sink, token| {
                    sink.server.login.token = Some($crate::options::secret::Source::text(token));
                };
                /// File that has the token. It is read again when the server refuses the token.
                token_file(impl Into<std::path::PathBuf>): std::path::PathBuf, "none" => |sink, path| {
                    sink.server.login.token = Some($crate::options::secret::Source::File(path));
                };
                /// Environment variable that has the token; it is read once, at the start.
                token_env(impl Into<String>): String, "none" => |sink, variable| {
                    sink.server.login.token = Some($crate::options::secret::Source::Variable(variable));
                };
            }
        }
    };
}

pub(crate) use {common_options, server_options, token_options};
