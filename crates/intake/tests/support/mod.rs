//! A schema with one field of every type, and words to write cases with.

use domain::{FieldClass, FieldValue};
use intake::{Choices, Field, Kind, Presence, Rule, Schema};

fn field(name: &str, kind: Kind, class: FieldClass, ping: Presence, post: Presence) -> Field {
    Field {
        name: name.parse().unwrap(),
        kind,
        class,
        ping,
        post,
        locked: true,
        rules: Vec::new(),
    }
}

pub(crate) fn schema() -> Schema {
    use FieldClass::{Contact, Open, Sensitive};
    use Presence::{No, Optional, Required};
    let cover = Choices::new([
        ("full".to_owned(), vec!["Full Coverage".to_owned()]),
        ("state_minimum".to_owned(), vec!["basic".to_owned()]),
    ])
    .unwrap();
    let mut fields = vec![
        field("zip", Kind::Zip, Open, Required, Required),
        field("state", Kind::State, Open, Optional, Optional),
        field("age", Kind::Int, Open, Optional, Optional),
        field("insured", Kind::Bool, Open, Optional, Optional),
        field("cover", Kind::Enum(cover), Open, Optional, Optional),
        field("born", Kind::Date, Sensitive, Optional, Optional),
        field("ip", Kind::Ip, Sensitive, Optional, Optional),
        field("page", Kind::Url, Sensitive, Optional, Optional),
        field("landing", Kind::Page, Open, Optional, Optional),
        field("make", Kind::Text, Open, Optional, Optional),
        field("phone_hash", Kind::Text, Sensitive, Optional, No),
        field("note", Kind::Text, Open, No, Optional),
        field("name", Kind::Text, Contact, No, Required),
        field("phone", Kind::phone("US").unwrap(), Contact, No, Required),
        field("email", Kind::Email, Contact, No, Optional),
    ];
    let rules = |name: &str| match name {
        "age" => vec![Rule::Range {
            min: Some(FieldValue::Int(16)),
            max: Some(FieldValue::Int(99)),
        }],
        "born" => vec![Rule::Range {
            min: Some(FieldValue::Text("1900-01-01".to_owned())),
            max: None,
        }],
        "make" => vec![Rule::Length { min: 2, max: 5 }],
        "phone_hash" => vec![Rule::pattern("[0-9a-f]{32}").unwrap()],
        _ => Vec::new(),
    };
    for field in &mut fields {
        field.rules = rules(field.name.as_str());
    }
    Schema::new(fields).unwrap()
}
