//! What a bench without criterion may be told on its command line.

/// The flags of a bench that is its own harness.
///
/// `--test` asks for one tiny run, as criterion understands it, `--json` for JSON in place of the table, `--rounds` for the
/// medians of several runs. A plain word chooses the limiters or cases whose name contains it. What cargo adds is passed
/// over.
#[derive(Debug, Default)]
pub struct Flags {
    /// One tiny run.
    pub test: bool,
    /// JSON in place of the table.
    pub json: bool,
    /// How many runs.
    pub rounds: Option<usize>,
    /// What the names must contain.
    pub filter: Option<String>,
}

impl Flags {
    /// Reads the process's arguments.
    ///
    /// # Errors
    ///
    /// A flag that is not one of these, or a number that is none.
    pub fn read() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let mut flags = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("test") => flags.test = true,
                Long("json") => flags.json = true,
                Long("rounds") => flags.rounds = Some(parser.value()?.parse()?),
                Long("bench") => {}
                Value(filter) if flags.filter.is_none() => flags.filter = Some(filter.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(flags)
    }

    /// Whether `name` is chosen.
    pub fn choose(&self, name: &str) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|filter| name.contains(filter))
    }
}
