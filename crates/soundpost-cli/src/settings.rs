//! Options of the reporter, made from the declarations of the settings.

use std::net::SocketAddr;

use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use soundpost::settings::{Setting, SettingValue, Settings};

use crate::error::CommandError;
use crate::service::ServiceArgs;

/// Options of `agent` and `run`: each takes precedence over the variable of its setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReporterOptions(Vec<(&'static Setting, Vec<String>)>);

impl ReporterOptions {
    /// Returns the settings of the service that is meant: these options, and the environment.
    ///
    /// # Errors
    /// When an option or a variable cannot be used; the message names it.
    pub(crate) fn settings(&self, service: &ServiceArgs) -> Result<Settings, CommandError> {
        let mut settings = Settings::default();
        for (setting, values) in &self.0 {
            let value = match &values[..] {
                [value] => SettingValue::Text(value.clone()),
                values => SettingValue::List(values.to_vec()),
            };
            settings.set_from(setting.name, &format!("--{}", option(setting)), value);
        }
        settings.set("directory", service.directory());
        let mut settings = settings.with_default_endpoint().complete()?;
        if !settings.is_disabled() {
            settings.set("service", service.name()?);
        }
        Ok(settings)
    }
}

/// Returns the address that a service would serve; `None`: none.
pub(crate) fn listen(option: Option<&str>) -> Result<Option<SocketAddr>, CommandError> {
    let mut settings = Settings::default();
    if let Some(address) = option {
        settings.set_from("listen", "--listen", address);
    }
    let settings = settings.with_default_endpoint().complete()?;
    Ok(if let SettingValue::Address(address) = settings.value("listen") { Some(address) } else { None })
}

/// Whether the environment disables GPU samples.
pub(crate) fn is_without_gpus() -> Result<bool, CommandError> {
    Ok(Settings::from_environment()?.value("gpu") == SettingValue::Bool(false))
}

fn option(setting: &Setting) -> &'static str {
    setting.option.unwrap_or_default()
}

fn argument(setting: &'static Setting) -> Arg {
    let default = match (setting.default, setting.default_note) {
        ("", "") => String::new(),
        ("", note) => format!(" [default: {note}]"),
        (default, _) => format!(" [default: {default}]"),
    };
    let (action, repeated) =
        if setting.is_list() { (ArgAction::Append, "; repeatable") } else { (ArgAction::Set, "") };
    let help = format!("{}{repeated} [env: {}]{default}", setting.help, setting.variable());
    let argument = Arg::new(setting.name).long(option(setting)).value_name(setting.value_name);
    argument.action(action).help(help.replace('`', ""))
}

impl clap::Args for ReporterOptions {
    fn augment_args(command: Command) -> Command {
        let settings = Setting::ALL.iter().filter(|setting| setting.option.is_some());
        settings.fold(command, |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for ReporterOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |setting: &'static Setting| {
            let values = matches.try_get_many::<String>(setting.name).ok().flatten()?;
            Some((setting, values.cloned().collect()))
        };
        Ok(Self(Setting::ALL.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
