//! Where a test finds a server's program, and what happens without one.

use std::path::PathBuf;

/// A program, or a folder, that a test needs from the machine.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// What it is, for a person.
    pub name: &'static str,
    /// The environment's name for it.
    pub variable: &'static str,
    /// The program's name on the `PATH`; none for what only the variable can name.
    pub program: Option<&'static str>,
}

/// Redis.
pub const REDIS: Part = Part {
    name: "redis-server",
    variable: "GAVEL_TEST_REDIS",
    program: Some("redis-server"),
};

/// The folder of the Kafka broker's jars.
pub const KAFKA: Part = Part {
    name: "a folder with the jars of a Kafka broker",
    variable: "GAVEL_TEST_KAFKA",
    program: None,
};

impl Part {
    /// What the variable names, else the program of the `PATH`, else nothing: the test says aloud that
    /// it skips itself.
    ///
    /// # Panics
    /// With `CI` in the environment, where nothing may be skipped.
    #[expect(
        clippy::disallowed_methods,
        clippy::panic,
        reason = "for tests and commands alone, which learn from the environment"
    )]
    pub fn find(&self) -> Option<PathBuf> {
        let own = std::env::var_os(self.variable).map(PathBuf::from);
        let found = own.or_else(|| {
            let program = self.program?;
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut programs = std::env::split_paths(&path).map(|folder| folder.join(program));
            programs.find(|program| program.is_file())
        });
        if found.is_none() {
            let Self { name, variable, .. } = self;
            if std::env::var_os("CI").is_some() {
                panic!("{name} must be there in CI; {variable} may name it");
            }
            eprintln!("SKIPPED: {name} is missing, and {variable} names none");
        }
        found
    }
}
