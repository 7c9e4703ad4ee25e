//! What each end says to the other, message by message.

mod common;

use common::disk::Disk;
use common::{dice::Dice, file, offer_of};
use mtcae_transfer::{Action, BUSY_US, FIRST_WAIT_US, GIVE_UP_US, Receiver, SendError, Sender, WINDOW};
use mtcae_wire::*;

fn pieces(bytes: &[u8]) -> Vec<UpdateChunk> {
    let transfer = offer_of(bytes).transfer();
    let data = bytes.chunks(CHUNK).map(|piece| piece.iter().copied().collect());
    data.zip(0..).map(|(data, index)| UpdateChunk { transfer, index, data }).collect()
}

struct Board(Receiver<Disk>, u64);

impl Board {
    fn new() -> Board {
        Board(Receiver::new(Disk::default()), 0)
    }

    fn hear(&mut self, message: FromHost) {
        assert!(self.0.take(self.1, &message, |_| Ok(())));
    }

    fn ask(&mut self, request: Down) -> Up {
        self.hear(FromHost::Request(request));
        self.0.poll(self.1).expect("an answer")
    }

    fn offer(&mut self, token: u32, bytes: &[u8]) -> Up {
        self.ask(Down::UpdateBegin(UpdateBegin { token, offer: offer_of(bytes) }))
    }

    fn state(&mut self) -> UpdateState {
        match self.ask(Down::UpdateQuery(Request { token: 99 })) {
            Up::UpdateState(state) => state,
            other => panic!("{other:?}"),
        }
    }
}

fn bytes(length: usize) -> Vec<u8> {
    file(&mut Dice(length as u64), length).0
}

fn refusal(up: Up) -> (u32, Refusal) {
    let Up::UpdateRefused(refused) = up else { panic!("{up:?}") };
    (refused.token, refused.refusal)
}

#[test]
fn a_board_takes_pieces_in_any_order_and_checks_the_whole() {
    let mut board = Board::new();
    let bytes = bytes(10 * CHUNK + 5);
    board.offer(1, &bytes);
    let pieces = pieces(&bytes);
    for index in [3, 1, 10, 0, 1] {
        board.hear(FromHost::Chunk(pieces[index].clone()));
    }
    let state = board.state();
    assert_eq!((state.chunks, state.received, state.later), (11, 2, 0b1000_0001));
    for index in [2, 9, 8, 7, 6, 5, 4] {
        board.hear(FromHost::Chunk(pieces[index].clone()));
    }
    let state = board.state();
    assert_eq!((state.durable, state.received, state.later), (11, 11, 0));
    let transfer = state.transfer;
    board.hear(FromHost::Request(Down::UpdateFinish(UpdateFinish { token: 2, transfer })));
    assert!(board.0.verified().is_none());
    while board.0.verified().is_none() {
        assert!(board.0.poll(board.1).is_some() || board.0.wait(board.1) == Some(0));
    }
    assert!(board.0.storage().bytes() == bytes);
    assert_eq!((board.0.counts().chunks, board.0.counts().again), (11, 1));
    board.0.installing(0);
    board.0.installed(0);
    assert_eq!(board.state().phase, UpdatePhase::Installed);
}

#[test]
fn a_board_is_silent_until_it_has_news() {
    let mut board = Board::new();
    let bytes = bytes(40 * CHUNK);
    assert_eq!((board.0.poll(0), board.0.wait(0)), (None, None));
    board.offer(1, &bytes);
    board.0.storage().sync_us = 1_000_000;
    let pieces = pieces(&bytes);
    board.hear(FromHost::Chunk(pieces[0].clone()));
    assert_eq!((board.0.poll(0), board.0.wait(0)), (None, Some(20_000)));
    assert!(board.0.poll(20_000).is_some());
    pieces[1..8].iter().for_each(|piece| board.hear(FromHost::Chunk(piece.clone())));
    assert_eq!(board.0.poll(0), None);
    board.hear(FromHost::Chunk(pieces[8].clone()));
    assert!(board.0.poll(0).is_some());
    assert_eq!(board.0.wait(0), Some(500_000));
}

#[test]
fn pieces_that_do_not_belong_are_counted_and_change_nothing() {
    let mut board = Board::new();
    let bytes = bytes(300 * CHUNK + 7);
    let pieces = pieces(&bytes);
    board.hear(FromHost::Chunk(pieces[0].clone()));
    board.offer(1, &bytes);
    let before = board.state();
    let strange = [
        UpdateChunk { transfer: 1, ..pieces[0].clone() },
        UpdateChunk { index: u32::MAX, ..pieces[0].clone() },
        UpdateChunk { index: 301, ..pieces[0].clone() },
        UpdateChunk { index: WINDOW.into(), ..pieces[0].clone() },
        UpdateChunk { index: 0, ..pieces[300].clone() },
        UpdateChunk { data: Default::default(), ..pieces[0].clone() },
    ];
    for chunk in strange {
        board.hear(FromHost::Chunk(chunk));
    }
    assert_eq!(board.state(), before);
    assert_eq!(board.0.counts().strange, 7);
    let down = FromHost::Request(Down::Ping(Ping { token: 1 }));
    assert!(!board.0.take(0, &down, |_| Ok(())));
}

#[test]
fn an_offer_is_refused_with_the_verdict_it_is_given() {
    let mut board = Board::new();
    let begin = Down::UpdateBegin(UpdateBegin { token: 4, offer: offer_of(&bytes(9)) });
    board.0.take(0, &FromHost::Request(begin), |offer| {
        assert_eq!(offer.version.as_str(), "1.4.0");
        Err((Refusal::OlderCounter, "the bundle has security counter 3, this board accepts 4 and above".to_owned()))
    });
    let Some(Up::UpdateRefused(refused)) = board.0.poll(0) else { panic!("no refusal") };
    assert_eq!((refused.token, refused.refusal), (4, Refusal::OlderCounter));
    assert!(refused.detail.as_str().contains("accepts 4"));
    assert_eq!(board.0.storage().operations, 0);
    // Asked again, it says so again, until something else is offered.
    assert_eq!(refusal(board.ask(Down::UpdateQuery(Request { token: 5 }))), (5, Refusal::OlderCounter));
    assert!(matches!(board.offer(6, &bytes(9)), Up::UpdateState(_)));
}

#[test]
fn a_second_file_waits_until_the_first_is_silent_or_done() {
    let mut board = Board::new();
    let (first, second) = (bytes(5000), bytes(6000));
    board.offer(1, &first);
    assert_eq!(refusal(board.offer(2, &second)), (2, Refusal::Busy));
    // The first goes on.
    board.hear(FromHost::Chunk(pieces(&first)[0].clone()));
    let Up::UpdateState(state) = board.offer(3, &first) else { panic!("refused") };
    assert_eq!(state.received, 1);
    board.1 = BUSY_US;
    let Up::UpdateState(state) = board.offer(4, &second) else { panic!("refused") };
    assert_eq!((state.received, state.chunks), (0, 6));
}

#[test]
fn what_cannot_be_installed_is_refused_to_whoever_asks() {
    let mut board = Board::new();
    let bytes = bytes(100);
    board.offer(1, &bytes);
    board.hear(FromHost::Chunk(pieces(&bytes)[0].clone()));
    let transfer = board.state().transfer;
    board.0.installing(0);
    assert_eq!(board.state().phase, UpdatePhase::Receiving, "nothing is installed that is not verified");
    board.hear(FromHost::Request(Down::UpdateFinish(UpdateFinish { token: 2, transfer })));
    while board.0.poll(0).is_some() {}
    assert!(board.0.verified().is_some());
    board.0.installing(0);
    board.0.refuse(0, Refusal::NotTrusted, "no trusted key has signed it");
    assert_eq!(refusal(board.0.poll(0).expect("said at once")), (2, Refusal::NotTrusted));
}

fn sender() -> Sender {
    Sender::new(offer_of(&bytes(300 * CHUNK)), 1000)
}

fn begin_of(action: Action) -> UpdateBegin {
    let Action::Send(Down::UpdateBegin(begin)) = action else { panic!("{action:?}") };
    begin
}

fn answer(sender: &Sender, token: u32) -> UpdateState {
    UpdateState {
        token,
        transfer: sender.transfer(),
        phase: UpdatePhase::Receiving,
        chunks: 300,
        durable: 0,
        received: 0,
        later: 0,
        window: WINDOW,
        checked: 0,
    }
}

#[test]
fn a_sender_offers_until_it_is_answered_and_gives_up_after_a_minute() {
    let mut sender = sender();
    let (mut now, mut offers) = (5, 0);
    let end = loop {
        match sender.poll(now) {
            Action::Wait(us) => now += us,
            Action::End(end) => break end,
            action => {
                begin_of(action);
                offers += 1;
            }
        }
    };
    assert_eq!(end, Err(SendError::Silent));
    assert!((15..=22).contains(&offers), "{offers}");
    assert!((GIVE_UP_US..GIVE_UP_US + 4_000_010).contains(&now), "{now}");
}

#[test]
fn a_sender_believes_only_answers_to_its_own_offer() {
    let mut sender = sender();
    let token = begin_of(sender.poll(0)).token;
    sender.take(0, &Up::UpdateState(answer(&sender, token.wrapping_sub(7))));
    sender.take(0, &Up::UpdateState(UpdateState { transfer: 5, ..answer(&sender, token) }));
    let refused = |token| {
        let detail = "another".into();
        Up::UpdateRefused(UpdateRefused {
            token,
            transfer: offer_of(&bytes(300 * CHUNK)).transfer(),
            refusal: Refusal::WrongBoard,
            detail,
        })
    };
    sender.take(0, &refused(token.wrapping_sub(7)));
    sender.take(0, &Up::Nack(Nack { token: 3, reason: Reason::Unsupported, detail: "".into() }));
    assert_eq!(sender.poll(1), Action::Wait(FIRST_WAIT_US - 1));
    sender.take(2, &refused(token));
    let Action::End(Err(SendError::Refused { refusal: Refusal::WrongBoard, .. })) = sender.poll(3) else { panic!() };
}

#[test]
fn a_sender_says_when_the_board_knows_no_updates() {
    let mut sender = sender();
    let token = begin_of(sender.poll(0)).token;
    sender.take(0, &Up::Nack(Nack { token, reason: Reason::Unsupported, detail: "too old".into() }));
    let Action::End(Err(error)) = sender.poll(0) else { panic!("goes on") };
    assert_eq!(error.to_string(), "the board declined the request (Unsupported): too old");
}

#[test]
fn a_sender_fills_the_window_asks_and_sends_what_is_missing() {
    let mut sender = sender();
    let token = begin_of(sender.poll(0)).token;
    sender.take(0, &Up::UpdateState(answer(&sender, token)));
    for index in 0..u32::from(WINDOW) {
        assert_eq!(sender.poll(0), Action::Chunk { index });
    }
    assert_eq!(sender.poll(0), Action::Wait(FIRST_WAIT_US));
    let Action::Send(Down::UpdateQuery(query)) = sender.poll(FIRST_WAIT_US) else { panic!("no question") };
    let state = UpdateState { durable: 10, received: 120, later: 0b110, ..answer(&sender, query.token) };
    sender.take(FIRST_WAIT_US, &Up::UpdateState(state));
    let sent: Vec<u32> = std::iter::from_fn(|| match sender.poll(FIRST_WAIT_US) {
        Action::Chunk { index } => Some(index),
        _ => None,
    })
    .collect();
    let expected: Vec<u32> = [120, 121].into_iter().chain(124..138).collect();
    assert_eq!(sent, expected);
    let progress = sender.progress();
    assert_eq!((progress.received, progress.durable, progress.resent_chunks), (120 * 1024, 10 * 1024, 6));
}

#[test]
fn a_restarted_board_is_offered_the_file_once() {
    let mut sender = sender();
    let token = begin_of(sender.poll(0)).token;
    sender.take(0, &Up::UpdateState(answer(&sender, token)));
    assert_eq!(sender.poll(0), Action::Chunk { index: 0 });
    let idle = UpdateState { token: 0, transfer: 0, phase: UpdatePhase::Idle, chunks: 0, ..answer(&sender, 0) };
    sender.take(1, &Up::UpdateState(idle));
    let token = begin_of(sender.poll(1)).token;
    sender.take(1, &Up::UpdateState(idle));
    assert_eq!(sender.poll(1), Action::Wait(FIRST_WAIT_US));
    sender.take(2, &Up::UpdateState(answer(&sender, token)));
    assert_eq!(sender.poll(2), Action::Chunk { index: 0 });
}
