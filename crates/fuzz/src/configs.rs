//! Configuration files: TOML, every member, sizes and times.

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = || {
        let problems = catalog::fuzzing::config(text).err()?;
        assert!(!problems.is_empty(), "refused for nothing");
        let text = problems.iter().map(ToString::to_string);
        Some(text.collect::<Vec<_>>())
    };
    assert_eq!(read(), read(), "the same text, other problems");
}
