//! Instructions that a bench takes, counted by running it again under callgrind: a figure that no other
//! load on the machine changes.

use std::process::Command;

/// Instructions of one turn of this program: those of many turns less those of few. It is given `args`
/// and `--turns=N`.
pub(crate) fn per_turn(args: &[String], few: u64, many: u64) -> u64 {
    (counted(args, many) - counted(args, few)) / (many - few)
}

/// What an argument `NAME=NUMBER` of this program says.
pub(crate) fn told(name: &str) -> Option<u64> {
    std::env::args().find_map(|arg| {
        let (told, number) = arg.split_once('=')?;
        (told == name).then(|| number.parse().unwrap())
    })
}

fn counted(args: &[String], turns: u64) -> u64 {
    let own = std::env::current_exe().unwrap();
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(args)
        .arg(format!("--turns={turns}"))
        .output()
        .unwrap_or_else(|error| panic!("valgrind does not run: {error}"));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let figure = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, figure) = figure.unwrap_or_else(|| panic!("{said}"));
    figure.trim().parse().unwrap()
}
