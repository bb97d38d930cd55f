//! The one page that a person may see: plain, small, without anything to load.

/// A page with a title and a sentence, both escaped.
pub fn page(title: &str, text: &str) -> String {
    let (title, text) = (escape(title), escape(text));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <body style=\"font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32em;padding:0 1em\">\n\
         <h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let page = page("a<b", "\"&\"");
        assert!(
            page.contains("<h1>a&lt;b</h1>\n<p>&quot;&amp;&quot;</p>"),
            "{page}"
        );
    }
}
