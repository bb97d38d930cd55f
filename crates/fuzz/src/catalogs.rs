//! Catalogs: TOML, every member, filters and URL templates inside.

use catalog::load_catalog;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = |text: &str| load_catalog("fuzz", text, &Default::default(), &[]);
    match read(text) {
        Ok(snapshot) => {
            // The canonical form is the same generation.
            let canonical = std::str::from_utf8(&snapshot.canonical).expect("text");
            let again = read(canonical).expect("the canonical form is good");
            assert_eq!(again.generation, snapshot.generation);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused for nothing");
            let again = read(text).expect_err("it was bad");
            let text = |problems: &[catalog::Problem]| {
                problems.iter().map(ToString::to_string).collect::<Vec<_>>()
            };
            assert_eq!(text(&again), text(&problems));
        }
    }
}
