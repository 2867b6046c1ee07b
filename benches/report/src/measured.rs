//! What criterion has measured: `GROUP/FUNCTION/new/{benchmark,estimates}.json` below its directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One function's time: the median, since others may be busy on the machine, and between what it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) ns: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// All figures, by group and function.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Measured(BTreeMap<String, BTreeMap<String, Figure>>);

/// How many instructions a case takes, by `GROUP/FUNCTION`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Instructions(BTreeMap<String, f64>);

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

impl Measured {
    /// Reads all that lies below `directory`, however deep.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        let mut measured = Self::default();
        measured.walk(directory)?;
        Ok(measured)
    }

    fn walk(&mut self, directory: &Path) -> io::Result<()> {
        if directory.ends_with("new") {
            return self.take(directory);
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path())?;
            }
        }
        Ok(())
    }

    fn take(&mut self, directory: &Path) -> io::Result<()> {
        let benchmark: Benchmark = parse(&directory.join("benchmark.json"))?;
        let Estimates { median } = parse(&directory.join("estimates.json"))?;
        let function = [benchmark.function_id, benchmark.value_str]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("/");
        let figure = Figure {
            ns: median.point_estimate,
            low: median.confidence_interval.lower_bound,
            high: median.confidence_interval.upper_bound,
        };
        let group = self.0.entry(benchmark.group_id).or_default();
        group.insert(function, figure);
        Ok(())
    }

    pub(crate) fn figure(&self, group: &str, function: &str) -> Option<Figure> {
        self.0.get(group)?.get(function).copied()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The functions of `group` and their figures, fastest first.
    pub(crate) fn functions(&self, group: &str) -> Vec<(&str, Figure)> {
        let figures = self.0.get(group).into_iter().flatten();
        let mut functions: Vec<_> = figures
            .map(|(name, figure)| (name.as_str(), *figure))
            .collect();
        functions.sort_by(|(_, one), (_, other)| one.ns.total_cmp(&other.ns));
        functions
    }
}

impl Instructions {
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub(crate) fn of(&self, group: &str, function: &str) -> Option<f64> {
        self.0.get(&format!("{group}/{function}")).copied()
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    serde_json::from_str(&text).map_err(|error| at(path, &error.into()))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
impl FromIterator<(&'static str, &'static str, f64)> for Measured {
    fn from_iter<I: IntoIterator<Item = (&'static str, &'static str, f64)>>(figures: I) -> Self {
        let mut measured = Self::default();
        for (group, function, ns) in figures {
            let figure = Figure {
                ns,
                low: ns - 1.0,
                high: ns + 2.0,
            };
            let group = measured.0.entry(group.to_owned()).or_default();
            group.insert(function.to_owned(), figure);
        }
        measured
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Writes what criterion leaves for one function.
    fn leave(directory: &Path, group: &str, function: &str, ns: f64) -> PathBuf {
        let new = directory.join(group).join(function).join("new");
        fs::create_dir_all(&new).unwrap();
        let benchmark = format!(
            r#"{{"group_id":"{group}","function_id":"{function}","value_str":null,"throughput":null}}"#
        );
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        let (low, high) = (ns - 1.0, ns + 2.0);
        let estimates = format!(
            r#"{{"mean":{{}},"slope":null,"median":{{"confidence_interval":{{"confidence_level":0.95,
            "lower_bound":{low},"upper_bound":{high}}},"point_estimate":{ns},"standard_error":0.1}}}}"#
        );
        fs::write(new.join("estimates.json"), estimates).unwrap();
        new
    }

    #[test]
    fn the_newest_medians_of_all_functions_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let new = leave(here, "admit", "governor", 30.0);
        leave(here, "admit", "tollgate", 20.0);
        leave(here, "layer", "tollgate", 90.0);
        // Beside them lie the runs before, and pages of criterion's own.
        fs::create_dir_all(new.parent().unwrap().join("base")).unwrap();
        fs::create_dir_all(here.join("report")).unwrap();
        let expected = [
            ("admit", "governor", 30.0),
            ("admit", "tollgate", 20.0),
            ("layer", "tollgate", 90.0),
        ];
        let measured = Measured::read(here).unwrap();
        assert_eq!(measured, expected.into_iter().collect());
        let order: Vec<_> = measured.functions("admit");
        assert_eq!((order[0].0, order[1].0), ("tollgate", "governor"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let new = leave(directory.path(), "admit", "governor", 30.0);
        fs::write(new.join("estimates.json"), "{").unwrap();
        let error = Measured::read(directory.path()).unwrap_err();
        assert!(
            error.to_string().contains("governor/new/estimates.json"),
            "{error}"
        );
    }
}
