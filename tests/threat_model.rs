//! What `docs/threat-model.md` names must exist: each attack has a test, by path and name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/threat-model.md")).expect("the threat model")
}

/// What stands between backquotes in `line`.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The tests that `line` names: the path of a file, and a function.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let named = quoted(line).filter_map(|text| text.split_once(".rs::"));
    named.collect()
}

/// Why the file at `path`, without `.rs`, has no test `name` that runs.
fn missing(path: &str, name: &str) -> Option<String> {
    let Ok(text) = fs::read_to_string(root().join(format!("{path}.rs"))) else {
        return Some(format!("there is no file {path}.rs"));
    };
    let head = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = lines.iter().position(|line| {
        line.trim_start()
            .trim_start_matches("async ")
            .starts_with(&head)
    }) else {
        return Some(format!("{path}.rs has no function {name}"));
    };
    let attributes: Vec<&str> = lines[..at]
        .iter()
        .rev()
        .map(|line| line.trim())
        .take_while(|line| !line.is_empty() && *line != "}")
        .filter(|line| line.starts_with("#["))
        .collect();
    let is_test = attributes
        .iter()
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let runs = !attributes.iter().any(|line| line.contains("ignore"));
    (!is_test || !runs).then(|| format!("{path}.rs::{name} is no test that runs"))
}

/// The rows of the tables whose last column is `Test`.
fn rows(document: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with('|') && line.trim_end().ends_with("| Test |") {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("| ---") {
            rows.push(line);
        }
    }
    rows
}

#[test]
fn every_test_that_the_threat_model_names_exists_and_runs() {
    let document = document();
    let missing: Vec<String> = document
        .lines()
        .flat_map(tests)
        .filter_map(|(path, name)| missing(path, name))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_attack_in_the_threat_model_names_a_test() {
    let document = document();
    let rows = rows(&document);
    assert!(rows.len() >= 50, "only {} rows are left", rows.len());
    let without: Vec<&&str> = rows.iter().filter(|row| tests(row).is_empty()).collect();
    assert!(without.is_empty(), "{without:#?}");
    let attacks: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.split('|').nth(1))
        .collect();
    assert_eq!(attacks.len(), rows.len(), "an attack stands there twice");
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    assert_eq!(
        missing("tests/threat_model", "a_test_that_is_not_there_is_noticed"),
        None
    );
    for (path, name) in [
        ("tests/threat_model", "quoted"),
        ("tests/threat_model", "a_test_that_is_not_there"),
        ("tests/nowhere", "a_test_that_is_not_there_is_noticed"),
    ] {
        assert!(missing(path, name).is_some(), "{path} {name}");
    }
    let line = "| `a` | b | `x/y.rs::z`, `w.rs::v` |";
    assert_eq!(tests(line), [("x/y", "z"), ("w", "v")]);
}
