//! The command line: arguments in, exit code out.

#![forbid(unsafe_code)]

mod args;
mod chart;
mod collect;
mod commands;
mod exit;
mod input;
mod interrupt;
mod learn;
#[cfg(target_os = "linux")]
mod live;
mod output;
mod preset;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    #[cfg(feature = "parquet")]
    idiolect_record::register();
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Train(args) => commands::train::run(args),
        Command::Score(args) => commands::score::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Try(args) => commands::try_it::run(args),
        Command::Demo(args) => commands::demo::run(args),
        Command::Plot(args) => commands::plot::run(args),
        Command::Sample(args) => commands::sample::run(args),
        Command::Transitions(args) => commands::transitions::run(args),
        Command::Portability(args) => commands::portability::run(args),
        Command::Convert(args) => commands::convert::run(args),
        #[cfg(feature = "parquet")]
        Command::Repair(args) => commands::repair::run(args),
        Command::Formats(args) => commands::formats::run(args),
        Command::Optimize(args) => commands::optimize::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Eval(args) => commands::eval::run(args),
        #[cfg(target_os = "linux")]
        Command::Doctor(args) => commands::doctor::run(args),
        #[cfg(target_os = "linux")]
        Command::Record(args) => commands::record::run(args),
        #[cfg(target_os = "linux")]
        Command::Watch(args) => commands::watch::run(args),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) if output::is_closed_pipe(&error) => exit::OK.into(),
        Err(error) => {
            ui::say(&format!("idiolect: {}", output::in_one_line(&error)));
            exit::FAILED.into()
        }
    }
}
