//! A gigabyte of rows, sent and read: the same megabyte again and again, so that making it costs nothing.

/// The table, whose rows are in the order they come in, so that nothing is sorted.
pub const TABLE: &str =
    "CREATE TABLE t (id UInt64, at UInt64, text String) ENGINE = MergeTree ORDER BY tuple()";
/// Once the table is there, for it stops those of tables that are: what is merged beside depends on how long the
/// insert takes, so a side that is slower would do more.
pub const UNMERGED: &str = "SYSTEM STOP MERGES t";
/// Without FORMAT.
pub const INSERT: &str = "INSERT INTO t";
/// And this one too.
pub const SELECT: &str = "SELECT * FROM t";
/// Of both.
pub const FORMAT: &str = "RowBinary";

/// A row: two numbers, the length of a text, and the text.
const TEXT: usize = 47;
const ROW: usize = 8 + 8 + 1 + TEXT;
/// Rows of a piece.
const ROWS: usize = (1 << 20) / ROW;

/// One of the pieces that rows are sent in; whole rows.
pub fn piece() -> Vec<u8> {
    let mut piece = Vec::with_capacity(ROWS * ROW);
    // Weyl's sequence: as little alike as a table's ids and hashes are.
    let mut number = 0_u64;
    let mut next = || {
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    };
    for _ in 0..ROWS {
        piece.extend(next().to_le_bytes());
        piece.extend(next().to_le_bytes());
        piece.push(TEXT as u8);
        let text = format!("{:016x}{:016x}{:016x}", next(), next(), next());
        piece.extend(text.as_bytes().iter().take(TEXT));
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_whole_rows() {
        let piece = piece();
        assert_eq!(piece.len(), 1 << 20);
        let lengths = piece.chunks(ROW).map(|row| row[16]);
        assert!(lengths.clone().count() == ROWS && lengths.clone().all(|it| it == TEXT as u8));
    }
}
