//! Caps: how many leads a contract takes.

use auction::Cap;
use domain::CapWindow;

use crate::reader::Table;

pub(super) fn caps(table: &mut Table<'_>) -> Option<Vec<Cap>> {
    let mut cap = |name, window| {
        let leads = table.optional(name, |c| c.int(1, i64::MAX))?;
        Some(leads.map(|leads| Cap { window, leads }))
    };
    let day = cap("day", CapWindow::Day);
    let total = cap("total", CapWindow::Total);
    Some(day?.into_iter().chain(total?).collect())
}
