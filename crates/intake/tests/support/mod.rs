//! A schema with one field of every type, and words to write cases with.

use std::sync::Arc;

use domain::{FieldClass, FieldValue};
use intake::hash::{HashAlg, HashForm, PhoneSpelling};
use intake::{Choices, Derived, Field, Form, Kind, Presence, Rule, Schema, What};

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

fn from(field: &str, what: What) -> Kind {
    Kind::Derived(Derived {
        from: field.parse().unwrap(),
        what,
    })
}

fn hash(form: HashForm) -> Kind {
    let from_field = match form {
        HashForm::Phone(..) => "phone",
        HashForm::Email(_) => "email",
    };
    from(from_field, What::Hash(form))
}

fn schema() -> Schema {
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
        field(
            "phone_md5",
            hash(HashForm::Phone(HashAlg::Md5, PhoneSpelling::National10)),
            Sensitive,
            Optional,
            Optional,
        ),
        field(
            "email_sha256",
            hash(HashForm::Email(HashAlg::Sha256)),
            Sensitive,
            Optional,
            Optional,
        ),
        field("npa", from("phone", What::Npa), Open, Optional, Optional),
        field(
            "last4",
            from("phone", What::Last4),
            Sensitive,
            Optional,
            Optional,
        ),
        field(
            "domain",
            from("email", What::Domain),
            Sensitive,
            Optional,
            Optional,
        ),
        field(
            "trustedform",
            Kind::TrustedForm,
            Sensitive,
            Optional,
            Optional,
        ),
        field("jornaya", Kind::Jornaya, Sensitive, Optional, Optional),
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

pub(crate) fn form() -> Form {
    Form::new(Arc::new(schema()))
}
