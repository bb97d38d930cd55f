//! The head of a patch: which law it breaks and which test has to see it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One committed way to break a law.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The law in words.
    pub(super) law: String,
    /// The arguments of `cargo test` that choose the test target.
    pub(super) target: Vec<String>,
    /// The test that must fail, and no other of the target.
    pub(super) test: String,
}

impl Patch {
    pub(super) fn parse(name: &str, file: &Path, text: &str) -> Result<Self> {
        let law = header(text, "law")?;
        let mut target: Vec<String> = header(text, "test")?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let test = target.pop().context("`# test:` names no test")?;
        if !target.iter().any(|word| word == "-p") || test.starts_with('-') {
            bail!("`# test:` has to read like `-p auction --test laws name_of_the_test`");
        }
        Ok(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            law: law.to_owned(),
            target,
            test,
        })
    }
}

/// The value of the one line `# key: value` above the diff.
fn header<'a>(text: &'a str, key: &str) -> Result<&'a str> {
    let head = text.lines().take_while(|line| line.starts_with('#'));
    let mut values = head.filter_map(|line| {
        line.trim_start_matches('#')
            .trim_start()
            .strip_prefix(key)?
            .strip_prefix(':')
    });
    let value = values
        .next()
        .with_context(|| format!("has no line `# {key}: ..` at its head"))?;
    if values.next().is_some() {
        bail!("has more than one line `# {key}: ..`");
    }
    Ok(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Patch> {
        Patch::parse("m", Path::new("m.patch"), text)
    }

    #[test]
    fn a_head_is_read() {
        let text = "# law: caps are held\n# test: -p auction --test laws caps::held\n\
                    # why not\n--- a/x\n+++ b/x\n# law: not a head\n";
        let patch = parse(text).unwrap();
        assert_eq!(patch.law, "caps are held");
        assert_eq!(patch.target, ["-p", "auction", "--test", "laws"]);
        assert_eq!(patch.test, "caps::held");
    }

    #[test]
    fn a_head_that_names_no_test_is_refused() {
        for (text, said) in [
            ("--- a/x\n", "no line `# law:"),
            ("# law: x\n--- a/x\n", "no line `# test:"),
            (
                "# law: x\n# law: y\n# test: -p a t\n",
                "more than one line `# law:",
            ),
            ("# law: x\n# test:\n", "names no test"),
            ("# law: x\n# test: -p auction --lib\n", "has to read like"),
            ("# law: x\n# test: just_a_name\n", "has to read like"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(said), "{text:?} said {error:?}");
        }
    }
}
