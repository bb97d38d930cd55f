//! Finds where a column's values end, whatever pieces they arrive in, and holds none of them.

use std::sync::Arc;

use super::head::{Choice, Layout};

/// The values of one column, as far as they have passed.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What is still to pass; the next on top.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Column(Arc<Layout>, u64),
    Bytes(u64),
    /// So many texts.
    Texts(u64),
    /// The length of a text.
    Length {
        read: u64,
        shift: u32,
    },
    /// Where the last array ends: how many elements there are.
    End {
        word: Word,
        of: Arc<Layout>,
    },
    Alternatives {
        word: Word,
        rows: u64,
        counts: Vec<u64>,
        choice: Arc<Choice>,
    },
    Dictionary {
        word: Word,
        stage: Stage,
        rows: u64,
        of: Arc<Layout>,
    },
}

/// A dictionary and its keys: how they are written, how many values, how many keys.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Form,
    Values { key: u64 },
    Keys { key: u64 },
}

/// Values that are not as the engine writes them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A number of up to eight bytes that may come in pieces.
#[derive(Debug, Default)]
struct Word {
    read: u64,
    bytes: usize,
}

impl Word {
    /// The number, once all of its bytes are there.
    fn take(&mut self, rest: &mut &[u8], width: usize) -> Option<u64> {
        while self.bytes < width {
            let (first, later) = rest.split_first()?;
            self.read |= u64::from(*first) << (8 * self.bytes);
            self.bytes += 1;
            *rest = later;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.read))
    }
}

impl Walk {
    pub(crate) fn new(layout: Arc<Layout>, rows: u64) -> Self {
        Self {
            steps: vec![Step::Column(layout, rows)],
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many of these bytes belong to the column: all of them, or those up to its end.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while let Some(step) = self.steps.pop() {
            if let Some(unfinished) = self.step(step, &mut rest)? {
                self.steps.push(unfinished);
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Does a step; gives it back if it needs more bytes than there are.
    fn step(&mut self, step: Step, rest: &mut &[u8]) -> Result<Option<Step>, Malformed> {
        match step {
            Step::Column(layout, rows) => self.enter(&layout, rows)?,
            Step::Bytes(left) => {
                let now = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                *rest = rest.get(now..).unwrap_or_default();
                let left = left - now as u64;
                return Ok((left > 0).then_some(Step::Bytes(left)));
            }
            Step::Texts(left) => return Ok(self.texts(left, rest)),
            Step::Length {
                mut read,
                mut shift,
            } => loop {
                let Some((first, later)) = rest.split_first() else {
                    return Ok(Some(Step::Length { read, shift }));
                };
                *rest = later;
                read |= u64::from(first & 0x7f) << shift;
                shift += 7;
                if *first < 0x80 {
                    self.steps.push(Step::Bytes(read));
                    break;
                }
                if shift > 63 {
                    return Err(Malformed("a text whose length has no end"));
                }
            },
            Step::End { mut word, of } => match word.take(rest, 8) {
                None => return Ok(Some(Step::End { word, of })),
                Some(end) => self.steps.push(Step::Column(of, end)),
            },
            Step::Alternatives {
                mut word,
                mut rows,
                mut counts,
                choice,
            } => {
                while rows > 0 {
                    let Some(number) = word.take(rest, choice.width) else {
                        return Ok(Some(Step::Alternatives {
                            word,
                            rows,
                            counts,
                            choice,
                        }));
                    };
                    rows -= 1;
                    let count = usize::try_from(number)
                        .ok()
                        .and_then(|at| counts.get_mut(at));
                    match count {
                        Some(count) => *count += 1,
                        None if number == choice.null => {}
                        None => return Err(Malformed("a value of an unknown type")),
                    }
                }
                let columns = choice.of.iter().zip(counts).rev();
                self.steps
                    .extend(columns.map(|(of, rows)| Step::Column(Arc::clone(of), rows)));
            }
            Step::Dictionary {
                mut word,
                stage,
                rows,
                of,
            } => match word.take(rest, 8) {
                None => {
                    return Ok(Some(Step::Dictionary {
                        word,
                        stage,
                        rows,
                        of,
                    }));
                }
                Some(read) => self.dictionary(stage, read, rows, of)?,
            },
        }
        Ok(None)
    }

    /// A column without rows takes no bytes.
    fn enter(&mut self, layout: &Arc<Layout>, rows: u64) -> Result<(), Malformed> {
        if rows == 0 {
            return Ok(());
        }
        let bytes = |width: u64, rows: u64| {
            let bytes = width.checked_mul(rows).map(Step::Bytes);
            bytes.ok_or(Malformed("more values than there can be"))
        };
        match &**layout {
            Layout::Fixed(width) => self.steps.push(bytes(*width, rows)?),
            Layout::Texts => self.steps.push(Step::Texts(rows)),
            Layout::Nullable(of) => {
                self.steps.push(Step::Column(Arc::clone(of), rows));
                self.steps.push(Step::Bytes(rows));
            }
            Layout::Array(of) => {
                self.steps.push(Step::End {
                    word: Word::default(),
                    of: Arc::clone(of),
                });
                self.steps.push(bytes(8, rows - 1)?);
            }
            Layout::Tuple(of) => {
                let columns = of.iter().rev();
                self.steps
                    .extend(columns.map(|of| Step::Column(Arc::clone(of), rows)));
            }
            Layout::LowCardinality(of) => self.dictionary_of(rows, Stage::Form, Arc::clone(of)),
            Layout::Choice(choice) => self.steps.push(Step::Alternatives {
                word: Word::default(),
                rows,
                counts: vec![0; choice.of.len()],
                choice: Arc::clone(choice),
            }),
        }
        Ok(())
    }

    /// Texts one after the other while they lie whole in `rest`, which most of them do.
    fn texts(&mut self, mut left: u64, rest: &mut &[u8]) -> Option<Step> {
        while left > 0 {
            match **rest {
                [] => return Some(Step::Texts(left)),
                [length @ ..=0x7f, ref text @ ..] if text.len() >= usize::from(length) => {
                    *rest = text.get(usize::from(length)..).unwrap_or_default();
                    left -= 1;
                }
                _ => {
                    if left > 1 {
                        self.steps.push(Step::Texts(left - 1));
                    }
                    self.steps.push(Step::Length { read: 0, shift: 0 });
                    return None;
                }
            }
        }
        None
    }

    fn dictionary_of(&mut self, rows: u64, stage: Stage, of: Arc<Layout>) {
        let word = Word::default();
        self.steps.push(Step::Dictionary {
            word,
            stage,
            rows,
            of,
        });
    }

    fn dictionary(
        &mut self,
        stage: Stage,
        read: u64,
        rows: u64,
        of: Arc<Layout>,
    ) -> Result<(), Malformed> {
        match stage {
            Stage::Form => {
                // The low byte is the width of a key; then flags: a dictionary for all blocks, one of its own.
                let key = match read & 0xff {
                    power @ ..=3 => 1 << power,
                    _ => return Err(Malformed("keys of an unknown width")),
                };
                if read & 0x300 != 0x200 {
                    return Err(Malformed("a dictionary outside of its block"));
                }
                self.dictionary_of(rows, Stage::Values { key }, of);
            }
            Stage::Values { key } => {
                self.dictionary_of(rows, Stage::Keys { key }, Arc::clone(&of));
                self.steps.push(Step::Column(of, read));
            }
            Stage::Keys { key } => {
                let left = rows.checked_sub(read).filter(|_| read > 0);
                let left = left.ok_or(Malformed("another number of keys than of rows"))?;
                if left > 0 {
                    self.dictionary_of(left, Stage::Form, of);
                }
                let keys = read.checked_mul(key).map(Step::Bytes);
                self.steps
                    .push(keys.ok_or(Malformed("more keys than there can be"))?);
            }
        }
        Ok(())
    }
}
