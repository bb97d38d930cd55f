//! Records of leads, as a log may give them back, and their fold: each is two bytes of length and
//! so many bytes.

use proto::{LeadRecord, LeadState, Message as _};

pub(crate) fn run(mut data: &[u8]) {
    let mut state: Option<LeadState> = None;
    let mut offset = 0;
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (record, rest) = rest.split_at(length);
        data = rest;
        let Ok(record) = LeadRecord::decode(record) else {
            continue;
        };
        let Ok((folded, _)) = store::fold::apply(state.clone(), offset, &record) else {
            continue;
        };
        // A record counts once.
        let (again, changes) = store::fold::apply(Some(folded.clone()), offset, &record).unwrap();
        assert_eq!((&again, changes.len()), (&folded, 0));
        let _ = store::fold::due(&folded, domain::Timestamp::from_micros(0));
        // A state is kept in snapshots.
        let kept = LeadState::decode(folded.encode_to_vec().as_slice()).unwrap();
        assert_eq!(kept, folded);
        state = Some(folded);
        offset += 1;
    }
}
