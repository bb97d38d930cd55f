//! The list of a service's routes: what routing, documentation and tests have in common.
//!
//! To add a route to a service: a line in its list, an arm where the service matches on it, a
//! handler. What is not listed cannot be reached, so a walk over the lists is a walk over everything
//! that answers.

/// A route as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The methods it takes, as header `Allow` names them: `GET, HEAD`.
    pub methods: &'static str,
    /// Its path, with names in braces: `/v1/leads/{lead_id}`.
    pub path: &'static str,
}

/// The values of the names in a path, in order; empty where it has fewer.
pub type Values<'p> = [&'p str; 2];

/// Declares an enum of routes, `Variant "METHODS" "/path/{name}";`, with `ALL`, `endpoint` and `find`.
/// The first that fits a path is found.
#[macro_export]
macro_rules! routes {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($variant:ident $methods:literal $path:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $(#[doc = concat!("`", $methods, " ", $path, "`")] $variant,)*
        }

        impl $name {
            /// All of them.
            $vis const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// How it is listed.
            $vis const fn endpoint(self) -> $crate::Endpoint {
                match self {
                    $(Self::$variant => $crate::Endpoint { methods: $methods, path: $path },)*
                }
            }

            /// The route of a path, and the values of its names.
            $vis fn find(path: &str) -> Option<(Self, $crate::Values<'_>)> {
                $(if let Some(values) = Self::$variant.endpoint().values(path) {
                    return Some((Self::$variant, values));
                })*
                None
            }
        }
    };
}

impl Endpoint {
    /// Whether it takes this method.
    pub fn takes(&self, method: &http::Method) -> bool {
        self.methods.split(", ").any(|one| one == method.as_str())
    }

    /// The values of its names in a path that fits. Nothing is decoded: names in our paths need no
    /// escapes, so an escaped one is an unknown one.
    pub fn values<'p>(&self, path: &'p str) -> Option<Values<'p>> {
        let mut values: Values<'p> = Default::default();
        let mut into = values.iter_mut();
        let mut segments = path.split('/');
        for wanted in self.path.split('/') {
            let segment = segments.next()?;
            if wanted.starts_with('{') {
                *into.next()? = segment;
            } else if wanted != segment {
                return None;
            }
        }
        segments.next().is_none().then_some(values)
    }

    /// Its path with a value for every name: `value("lead_id")`.
    pub fn filled(&self, value: impl Fn(&str) -> String) -> String {
        let segment = |segment: &str| {
            let name = segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'));
            name.map_or(segment.to_owned(), &value)
        };
        let segments: Vec<String> = self.path.split('/').map(segment).collect();
        segments.join("/")
    }
}

#[cfg(test)]
mod tests {
    routes! {
        /// Of a test.
        enum Route {
            One "GET, HEAD" "/one/{name}";
            Two "POST" "/two";
            Three "GET" "/one/{name}/of/{other}";
        }
    }

    #[test]
    fn a_list_says_what_it_takes() {
        let [one, two] = [Route::One.endpoint(), Route::Two.endpoint()];
        assert!(one.takes(&http::Method::HEAD) && !one.takes(&http::Method::POST));
        assert!(two.takes(&http::Method::POST));
        assert_eq!(one.filled(|name| format!("{name}-1")), "/one/name-1");
        assert_eq!(Route::ALL.len(), 3);
    }

    #[test]
    fn a_path_finds_its_route() {
        for (path, found) in [
            ("/one/a", Some((Route::One, ["a", ""]))),
            ("/one/", Some((Route::One, ["", ""]))),
            ("/one/%2f", Some((Route::One, ["%2f", ""]))),
            ("/one/a/of/b", Some((Route::Three, ["a", "b"]))),
            ("/two", Some((Route::Two, ["", ""]))),
            ("/two/", None),
            ("//two", None),
            ("/one", None),
            ("/one/a/of", None),
            ("/one/a/of/b/c", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Route::find(path), found, "{path}");
        }
    }
}
