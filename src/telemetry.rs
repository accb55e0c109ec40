//! The program's log: one line for what happens, to standard error, at the level that `RUST_LOG` asks for.

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt::MakeWriter};

use crate::{config::LogFormat, wording::shown};

/// Crates of this program that write to its log.
const CRATES: [&str; 14] = [
    "azp_scaler",
    "axum",
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "reqwest",
    "rustls",
    "tokio",
    "tokio_util",
    "tonic",
    "tonic_health",
    "tower",
    "tower_http",
];

/// The log can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryFault {
    /// The filter can't be read.
    #[error("RUST_LOG: is `{value}`, but must be a level such as `info` or `azp_scaler=debug,warn`: {reason}")]
    Filter {
        /// What it is.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a log already.
    #[error("the log was set up twice")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts the log; `filter` is what `RUST_LOG` says, `info` where it says nothing.
///
/// # Errors
///
/// When the filter can't be read, or the log was started before.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<(), TelemetryFault> {
    let log = log(format, filter, std::io::stderr)?;
    tracing::subscriber::set_global_default(log).map_err(TelemetryFault::Twice)
}

/// A log that writes where it is told.
fn log<W>(
    format: LogFormat,
    filter: Option<&str>,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryFault>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let value = filter.unwrap_or_default();
    let directives: Vec<&str> = value.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    let bad = |reason: String| TelemetryFault::Filter { value: shown(value), reason };
    if let Some(directive) = directives.iter().find(|directive| !is_meant(directive)) {
        return Err(bad(format!("`{}` is neither a level nor a crate of this program", shown(directive))));
    }
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives.join(","))
        .map_err(|reason| bad(reason.to_string()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        LogFormat::Json => Box::new(log.json().flatten_event(true).finish()),
        LogFormat::Text => Box::new(log.with_ansi(false).finish()),
    })
}

/// Whether a directive can do what it is written for. A word alone is a level or the name of what shall write all it
/// has: a mistyped level is such a name, too, and would silence everything else.
fn is_meant(directive: &str) -> bool {
    let target = directive.split("::").next().and_then(|name| name.split('[').next()).unwrap_or_default();
    directive.contains('=')
        || directive.starts_with('[')
        || directive.parse::<LevelFilter>().is_ok()
        || CRATES.contains(&target)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, filter: Option<&str>) -> String {
        let page = Page::default();
        let writer = page.clone();
        let log = log(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(log, || {
            tracing::info!(pool = "linux", "seen");
            tracing::debug!("a detail");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_at_info() {
        let written = written(LogFormat::Json, None);
        let line: serde_json::Value = serde_json::from_str(written.trim()).unwrap();
        assert_eq!(
            (&line["message"], &line["pool"], &line["level"]),
            (&"seen".into(), &"linux".into(), &"INFO".into())
        );
    }

    #[test]
    fn the_filter_sets_the_level() {
        let written = written(LogFormat::Text, Some("debug"));
        assert_eq!(written.lines().count(), 2, "{written}");
    }

    #[test]
    fn white_space_around_a_directive_does_not_matter() {
        let written = written(LogFormat::Text, Some(" warn , azp_scaler=debug "));
        assert_eq!(written.lines().count(), 2, "{written}");
    }

    #[test]
    fn a_bad_filter_is_named() {
        for filter in ["azp_scaler=loud", "loud", "info,azp-scaler", "inof"] {
            let fault = log(LogFormat::Text, Some(filter), io::stderr).err().unwrap();
            assert!(fault.to_string().starts_with(&format!("RUST_LOG: is `{filter}`")), "{fault}");
        }
    }

    #[test]
    fn levels_crates_and_spans_are_filters() {
        let filters =
            ["", "off", "WARN", "3", "h2", "azp_scaler::azure_devops", "other=debug", "[call]", "tonic[call]=1"];
        for filter in filters {
            assert!(log(LogFormat::Text, Some(filter), io::stderr).is_ok(), "{filter}");
        }
    }
}
