//! What a lead says of who its consumer is: the values by which two leads are the same person's.
//!
//! A field may be known in several forms: a ping has the MD5 of a phone number, a post the number
//! and, derived from it, that MD5. Two leads share the field if they share one form of it. The values
//! here are in clear; whoever keeps them hashes each with a key, apart by form.

use domain::{FieldName, FieldValue};

use crate::kind::derived::What;
use crate::{Kind, Schema};

/// One form of one identifying field.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The field it identifies by: of a hash the field it is of.
    pub field: FieldName,
    /// How the value is spelled: `phone` (E.164), `email`, `phone/md5/national10`, `field/vin`.
    pub form: String,
    /// The value.
    pub value: String,
}

impl std::fmt::Debug for Identifier {
    /// Without the value, which is personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({}: {})", self.field, self.form)
    }
}

impl Schema {
    /// Every form in which a lead names one of these fields; `value` gives what it says of a field.
    pub fn identifiers<'v>(
        &self,
        fields: &[FieldName],
        value: impl Fn(&FieldName) -> Option<&'v FieldValue>,
    ) -> Vec<Identifier> {
        let mut found = Vec::new();
        for field in self.fields() {
            let (of, form) = match &field.kind {
                Kind::Phone(_) => (&field.name, "phone".to_owned()),
                Kind::Email => (&field.name, "email".to_owned()),
                Kind::Derived(derived) => match derived.what {
                    What::Hash(form) => (&derived.from, form.to_string()),
                    What::Npa | What::Last4 | What::Domain => {
                        (&field.name, format!("field/{}", field.name))
                    }
                },
                _ => (&field.name, format!("field/{}", field.name)),
            };
            if let (true, Some(value)) = (fields.contains(of), value(&field.name)) {
                found.push(Identifier {
                    field: of.clone(),
                    form,
                    value: value.to_string(),
                });
            }
        }
        found
    }
}
