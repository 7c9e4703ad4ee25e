//! Arbitrary messages about updates.

use super::text;
use mtcae_wire::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub fn any_up() -> impl Strategy<Value = Up> {
    prop_oneof![
        slots().prop_map(Up::Slots),
        state().prop_map(Up::UpdateState),
        (any::<[u32; 2]>(), refusal(), text()).prop_map(|([token, transfer], refusal, detail)| {
            Up::UpdateRefused(UpdateRefused { token, transfer, refusal, detail })
        }),
    ]
}

pub fn any_down() -> impl Strategy<Value = Down> {
    let request = any::<u32>().prop_map(|token| Request { token });
    let bare = select(vec![Down::SlotsQuery, Down::UpdateQuery, Down::Confirm, Down::Rollback]);
    prop_oneof![
        (bare, request).prop_map(|(kind, request)| kind(request)),
        (any::<u32>(), offer()).prop_map(|(token, offer)| Down::UpdateBegin(UpdateBegin { token, offer })),
        any::<[u32; 2]>().prop_map(|[token, transfer]| Down::UpdateFinish(UpdateFinish { token, transfer })),
        (any::<u32>(), any::<u8>()).prop_map(|(token, lines)| Down::LogsQuery(LogsQuery { token, lines })),
        (any::<u32>(), vec(any::<u8>(), 0..=MAX_PERMIT))
            .prop_map(|(token, permit)| { Down::Permit(PermitOffer { token, permit: permit.into_iter().collect() }) }),
    ]
}

/// Data of all lengths, with few zeros, many, or none.
pub fn any_chunk() -> impl Strategy<Value = UpdateChunk> {
    let len = prop_oneof![Just(CHUNK), 1..=CHUNK, 230..=270usize];
    let data = (len, select(vec![1u8, 2, 255])).prop_flat_map(|(len, most)| {
        (vec(any::<u8>(), len), any::<bool>()).prop_map(move |(data, zeros)| {
            data.iter().map(|&byte| byte.min(most).max(u8::from(!zeros))).collect::<heapless::Vec<u8, CHUNK>>()
        })
    });
    (any::<[u32; 2]>(), data).prop_map(|([transfer, index], data)| UpdateChunk { transfer, index, data })
}

fn offer() -> impl Strategy<Value = Offer> {
    let families = vec(text(), 1..=MAX_FAMILIES).prop_map(|all| all.into_iter().collect());
    (1..=Offer::MAX_LENGTH, any::<[u8; 32]>(), text(), text(), any::<u32>(), families).prop_map(
        |(length, sha256, name, version, security_counter, families)| Offer {
            length,
            sha256,
            name,
            version,
            security_counter,
            families,
        },
    )
}

fn state() -> impl Strategy<Value = UpdateState> {
    use UpdatePhase::*;
    let phase = select(vec![Idle, Receiving, Verifying, Verified, Installing, Installed]);
    let numbers = (any::<[u32; 6]>(), prop_oneof![Just(1u32), Just(200), Just(u32::MAX)]);
    (numbers, any::<u128>(), 0..=MAX_WINDOW, phase).prop_map(|((numbers, most), later, window, phase)| {
        let [token, transfer, chunks, received, durable, checked] = numbers;
        // Each number at most the one before it.
        let below = |value: u32, limit: u32| (u64::from(value) % (u64::from(limit) + 1)) as u32;
        let chunks = below(chunks, most);
        let received = below(received, chunks);
        let durable = below(durable, received);
        let checked = below(checked, durable);
        let bits = (chunks - received).saturating_sub(1).min(128);
        let later = later.checked_shr(128 - bits).unwrap_or(0);
        UpdateState { token, transfer, phase, chunks, durable, received, later, window, checked }
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    use Refusal::*;
    select(vec![
        WrongBoard,
        NoSpace,
        OlderCounter,
        AlreadyInstalled,
        Busy,
        Storage,
        Damaged,
        NotTrusted,
        Unusable,
        NotAllowed,
    ])
}

fn slots() -> impl Strategy<Value = Slots> {
    let numbers = (any::<[u32; 2]>(), any::<Option<u8>>(), any::<u64>());
    (text(), pair(), pair(), numbers).prop_map(|(family, model, daemon, numbers)| {
        let ([token, security_counter], trial_starts_left, free_bytes) = numbers;
        Slots { token, family, model, daemon, trial_starts_left, security_counter, free_bytes }
    })
}

fn pair() -> impl Strategy<Value = SlotPair> {
    let active = select(vec![None, Some(SlotName::A), Some(SlotName::B)]);
    (active, option::of(slot()), option::of(slot())).prop_map(|(active, a, b)| SlotPair { active, slots: [a, b] })
}

fn slot() -> impl Strategy<Value = Slot> {
    use SlotState::*;
    let state = select(vec![Writing, Ready, Trial, Confirmed, Failed]);
    (any::<[u32; 2]>(), text(), state).prop_map(|([transfer, security_counter], version, state)| Slot {
        transfer,
        version,
        security_counter,
        state,
    })
}
