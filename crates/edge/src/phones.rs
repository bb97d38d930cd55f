//! Whose numbers phone numbers without a country code are.

use catalog::Campaign;
use intake::Kind;
use intake::contact::Country;

/// As for leads of the campaign, else North American.
pub(crate) fn country(campaign: Option<&Campaign>) -> Option<Country> {
    let fields = campaign.into_iter().flat_map(|c| c.form.schema.fields());
    let own = fields.into_iter().find_map(|field| match field.kind {
        Kind::Phone(country) => Some(country),
        _ => None,
    });
    own.or_else(|| Country::new("US"))
}
