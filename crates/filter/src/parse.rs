//! Tokens -> expression. After a mistake parsing goes on behind the next `and`, `or` or `)`, so that
//! all mistakes are found at once.

use domain::FieldName;

use crate::ast::{Ast, Comparison, Expr, Literal};
use crate::lex::{Lexeme, Token, lex};
use crate::{Issue, limits, op};

/// Parses a filter; on failure all mistakes, in the text's order.
pub fn parse(text: &str) -> Result<Ast, Vec<Issue>> {
    if text.len() > limits::TEXT {
        let message = format!("a filter has at most {} bytes", limits::TEXT);
        return Err(vec![Issue::new(limits::TEXT, message)]);
    }
    let mut issues = Vec::new();
    let lexemes = lex(text, &mut issues);
    let mut parser = Parser {
        lexemes,
        next: 0,
        end: text.len(),
        depth: 0,
        comparisons: 0,
        stopped: false,
        issues,
    };
    let expr = parser.whole();
    parser.issues.sort_by_key(|issue| issue.at);
    match expr {
        Some(expr) if parser.issues.is_empty() => Ok(Ast(expr)),
        _ => Err(parser.issues),
    }
}

/// A place in the tokens, and the mistakes so far.
pub(crate) struct Parser {
    lexemes: Vec<Lexeme>,
    next: usize,
    end: usize,
    depth: usize,
    comparisons: usize,
    /// Too deep: what follows cannot be judged, so it is not complained of.
    stopped: bool,
    issues: Vec<Issue>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.lexemes.get(self.next).map(|lexeme| &lexeme.token)
    }

    fn at(&self) -> usize {
        self.lexemes
            .get(self.next)
            .map_or(self.end, |lexeme| lexeme.at)
    }

    fn is(&self, spelling: &str) -> bool {
        match self.peek() {
            Some(Token::Word(word)) => word == spelling,
            Some(Token::Symbol(symbol)) => *symbol == spelling,
            _ => false,
        }
    }

    /// Steps over a keyword or symbol if it is next.
    pub(crate) fn eat(&mut self, spelling: &str) -> bool {
        let found = self.is(spelling);
        self.next += usize::from(found);
        found
    }

    /// Steps over an operator if all of its words are next.
    fn eat_all(&mut self, spelling: &str) -> bool {
        let start = self.next;
        let found = spelling.split(' ').all(|word| self.eat(word));
        if !found {
            self.next = start;
        }
        found
    }

    /// Steps over a keyword or symbol that has to be next.
    pub(crate) fn expect(&mut self, spelling: &str) -> Option<()> {
        if self.eat(spelling) {
            return Some(());
        }
        self.complain(format!("expected `{spelling}`"))
    }

    /// Notes a mistake at the next token.
    pub(crate) fn complain<T>(&mut self, message: impl Into<String>) -> Option<T> {
        if !self.stopped {
            self.issues.push(Issue::new(self.at(), message));
        }
        None
    }

    /// Reads one value.
    pub(crate) fn literal(&mut self) -> Option<Literal> {
        let at = self.at();
        let text = match self.peek() {
            Some(Token::Quoted(text)) => text.clone(),
            Some(Token::Word(word)) if !is_keyword(word) => word.clone(),
            _ => return self.complain("expected a value"),
        };
        self.next += 1;
        Some(Literal { text, at })
    }

    /// After a mistake inside parentheses: goes on behind them.
    pub(crate) fn leave_parentheses(&mut self) {
        self.skip();
        self.eat(")");
    }

    fn whole(&mut self) -> Option<Expr> {
        if self.lexemes.is_empty() {
            return self.complain("a filter cannot be empty");
        }
        let mut expr = self.any();
        while self.next < self.lexemes.len() {
            let message = if self.is(")") {
                "this `)` closes nothing"
            } else {
                "expected `and`, `or` (in lower case) or the end"
            };
            self.complain::<()>(message);
            self.next += 1;
            self.skip();
            // What follows is read for its mistakes only.
            if self.eat("and") || self.eat("or") {
                self.any();
            }
            expr = None;
        }
        expr
    }

    fn any(&mut self) -> Option<Expr> {
        self.chain("or", Self::all, Expr::Any)
    }

    fn all(&mut self) -> Option<Expr> {
        self.chain("and", Self::one, Expr::All)
    }

    /// `part (word part)*`; one part alone stands for itself.
    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Option<Expr>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Option<Expr> {
        let first = part(self);
        if !self.is(word) {
            return first;
        }
        let mut parts = vec![first];
        while self.eat(word) {
            parts.push(part(self));
        }
        parts.into_iter().collect::<Option<Vec<_>>>().map(join)
    }

    fn one(&mut self) -> Option<Expr> {
        if self.is("not") || self.is("(") {
            if self.depth == limits::DEPTH {
                self.complain::<()>(format!("nested deeper than {}", limits::DEPTH));
                self.stopped = true;
                self.next = self.lexemes.len();
                return None;
            }
            self.depth += 1;
            let inner = if self.eat("not") {
                self.one().map(|inner| Expr::Not(Box::new(inner)))
            } else {
                self.next += 1;
                let inner = self.any();
                self.close().and(inner)
            };
            self.depth -= 1;
            return inner;
        }
        let comparison = self.comparison();
        if comparison.is_none() {
            self.skip();
        }
        comparison.map(Expr::Is)
    }

    fn close(&mut self) -> Option<()> {
        if self.eat(")") {
            return Some(());
        }
        self.complain::<()>("expected `)`, `and` or `or`");
        self.leave_parentheses();
        None
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let at = self.at();
        let Some(Token::Word(word)) = self.peek().filter(|_| !self.at_keyword()) else {
            return self.complain("expected the name of a field");
        };
        let Ok(field) = word.parse::<FieldName>() else {
            let message = format!("`{word}` is no name of a field: those are lower case");
            return self.complain(message);
        };
        self.next += 1;
        self.comparisons += 1;
        if self.comparisons == limits::COMPARISONS + 1 {
            let message = format!("a filter has at most {} comparisons", limits::COMPARISONS);
            self.issues.push(Issue::new(at, message));
        }
        let Some((operator, spelling)) = op::all().find(|(_, spelling)| self.eat_all(spelling))
        else {
            let known: Vec<&str> = op::all().map(|(_, spelling)| spelling).collect();
            return self.complain(format!("expected one of {}", known.join(", ")));
        };
        let operands = operator.operands(self)?;
        Some(Comparison {
            field,
            at,
            operator,
            spelling,
            operands,
        })
    }

    fn at_keyword(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if is_keyword(word))
    }

    /// Goes on at the next `and`, `or` or `)` of this level.
    fn skip(&mut self) {
        let mut open = 0_usize;
        while self.peek().is_some() {
            if open == 0 && (self.is("and") || self.is("or") || self.is(")")) {
                return;
            }
            if self.is("(") {
                open += 1;
            } else if self.is(")") {
                open -= 1;
            }
            self.next += 1;
        }
    }
}

/// Words that are no field and no value: those that join, and those of the operators. Lower case
/// only: `OR` and `IN` are states.
fn is_keyword(word: &str) -> bool {
    let mut operators = op::all().flat_map(|(_, spelling)| spelling.split(' '));
    matches!(word, "and" | "or" | "not") || operators.any(|keyword| keyword == word)
}
